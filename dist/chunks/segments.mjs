// src/fetch/segments.ts
/** A gap that costs less time than one more request, with its redirect to a storage server. */
const BRIDGED_BYTES = 262144;
/** Registries slow down clients that ask for many small ranges. */
const MAX_RANGES = 48;
/** A long range is cut, so that several connections can share it and one that breaks off loses little. */
const PIECES = 16;
const MIN_PIECE_BYTES = 8388608;
/**
* The ranges to ask for, so that everything that is missing arrives: few of them, at the price of some bytes between
* two ranges that are there already, and none of them too long.
*/
function cutSegments(missing) {
	const bridged = bridge(missing);
	const totalBytes = bridged.reduce((sum, { start, end }) => sum + end - start, 0);
	const pieceBytes = Math.max(MIN_PIECE_BYTES, Math.ceil(totalBytes / PIECES));
	return bridged.flatMap((range) => cut(range, pieceBytes));
}
function bridge(missing) {
	const gaps = missing.slice(1).map(({ start }, index) => ({
		index: index + 1,
		bytes: start - (missing[index]?.end ?? 0)
	}));
	const surplus = missing.length - MAX_RANGES;
	const bridged = new Set(gaps.toSorted((a, b) => a.bytes - b.bytes).filter(({ bytes }, rank) => bytes <= BRIDGED_BYTES || rank < surplus).map(({ index }) => index));
	const joined = [];
	for (const [index, { start, end }] of missing.entries()) {
		const before = bridged.has(index) ? joined.pop() : void 0;
		joined.push({
			start: before?.start ?? start,
			end
		});
	}
	return joined;
}
function cut({ start, end }, pieceBytes) {
	const pieces = Math.ceil((end - start) / pieceBytes);
	const length = Math.ceil((end - start) / pieces);
	return Array.from({ length: pieces }, (_, index) => ({
		start: start + index * length,
		end: Math.min(start + (index + 1) * length, end)
	}));
}
export { cutSegments as t };
