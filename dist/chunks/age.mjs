// src/cli/age.ts
const UNITS = [
	["d", 864e5],
	["h", 36e5],
	["min", 6e4]
];
/** "3 d"; what is in the future by this machine's clock is "now". */
function formatAge(ageMs) {
	for (const [unit, unitMs] of UNITS) {
		const count = Math.floor(ageMs / unitMs);
		if (count >= 1) return `${count} ${unit}`;
	}
	return "now";
}
export { formatAge as t };
