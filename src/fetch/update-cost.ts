import { frameIndexOf } from '../sidecar/file.ts';
import { formatFrameIndex } from '../sidecar/frame-index.ts';
import type { SidecarContents } from '../sidecar/report.ts';
import type { Range } from './part-file.ts';
import { cutSegments } from './segments.ts';

/**
 * How many bytes `fetch` asks for when the store has one sidecar and another one is wanted: the frames that the first
 * one lacks, what stands behind the frames, the few bytes between two ranges that are asked for as one, and the frame index.
 */
export async function updateCost(
  had: SidecarContents,
  wanted: SidecarContents,
  signal: AbortSignal,
): Promise<number> {
  const [base, index] = [await frameIndexOf(had, signal), await frameIndexOf(wanted, signal)];
  if (base === undefined || index === undefined) {
    return wanted.sizeBytes;
  }
  const known = new Set(base.frames.map(({ sha256 }) => sha256));
  const missing: Range[] = [];
  const add = (start: number, end: number) => {
    const last = missing.at(-1);
    missing.push(last?.end === start ? { start: (missing.pop() as Range).start, end } : { start, end });
  };
  for (const { offset, sizeBytes, sha256 } of index.frames) {
    if (!known.has(sha256)) {
      add(offset, offset + sizeBytes);
    }
  }
  add(index.framesBytes, wanted.sizeBytes);
  return cutSegments(missing).reduce(
    (sum, { start, end }) => sum + end - start,
    formatFrameIndex(index).length,
  );
}
