// src/cli/age.ts
const UNITS = [
	["day", 864e5],
	["hour", 36e5],
	["minute", 6e4]
];
/** "3 days ago"; what is in the future by this machine's clock is "just now". */
function formatAge(ageMs) {
	for (const [unit, unitMs] of UNITS) {
		const count = Math.floor(ageMs / unitMs);
		if (count >= 1) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
	}
	return "just now";
}
export { formatAge as t };
