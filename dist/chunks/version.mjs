// src/identity/version.ts
/**
* Whether a version of dotted numbers, such as 1.10.0 or 2.36, comes before another.
* Not localeCompare with `numeric`: that loads ICU's collation, several milliseconds of every start.
*/
function isOlder(version, than) {
	const [numbers, others] = [version.split(".").map(Number), than.split(".").map(Number)];
	for (let index = 0; index < Math.max(numbers.length, others.length); index += 1) {
		const [number = 0, other = 0] = [numbers[index], others[index]];
		if (number !== other) return number < other;
	}
	return false;
}
export { isOlder as t };
