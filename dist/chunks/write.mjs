// src/tar/write.ts
const BLOCK_BYTES = 512;
/** The largest number that eleven octal digits hold. */
const MAX_OCTAL_BYTES = 8 ** 11 - 1;
/** Two zero blocks, the end of an archive. */
const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK_BYTES);
/** The header of a plain file, owned by root and dated 1970, so that the same content gives the same bytes. It is POSIX ustar, with the size of large files as GNU tar and Go write it: https://www.gnu.org/software/tar/manual/html_node/Standard.html */
function tarHeader(path, sizeBytes) {
	const block = Buffer.alloc(BLOCK_BYTES);
	const fields = [
		[0, path],
		[100, "0000644"],
		[108, "0000000"],
		[116, "0000000"],
		[124, sizeBytes.toString(8).padStart(11, "0")],
		[136, "00000000000"],
		[148, " ".repeat(8)],
		[156, "0"],
		[257, "ustar\x0000"]
	];
	for (const [offset, text] of fields) block.write(text, offset, "latin1");
	if (sizeBytes > MAX_OCTAL_BYTES) {
		block.fill(0, 124, 136);
		block[124] = 128;
		block.writeBigUInt64BE(BigInt(sizeBytes), 128);
	}
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
	return block;
}
/** The zeros that fill the last block of a file. */
function paddingAfter(sizeBytes) {
	return Buffer.alloc(-sizeBytes & 511);
}
export { paddingAfter as n, tarHeader as r, END_OF_ARCHIVE as t };
