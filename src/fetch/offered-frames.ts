import { hash } from 'node:crypto';
import { counted } from '../identity/shown-text.ts';
import { type Frame, MAX_FRAME_INDEX_BYTES, parseFrameIndex } from '../sidecar/frame-index.ts';
import { damagedRecord } from './record.ts';
import type { Offer } from './source.ts';

/**
 * Reads the frame index of a sidecar that its pack record names.
 * @throws BottleError
 */
export async function readOfferedFrames({ record, frameIndex }: Offer): Promise<readonly Frame[]> {
  const { frames, sidecar } = record;
  if (frames === undefined || frames.sizeBytes > MAX_FRAME_INDEX_BYTES) {
    throw damagedRecord('the pack record names no frame index');
  }
  const bytes = await frameIndex(frames.sizeBytes);
  const found = hash('sha256', bytes);
  if (found !== frames.sha256) {
    throw damagedRecord(`its SHA-256 is ${found}, and the pack record says ${frames.sha256}`);
  }
  const index = parseFrameIndex(bytes);
  if (index.framesBytes > sidecar.sizeBytes) {
    throw damagedRecord(
      `its frames have ${counted(index.framesBytes, 'byte')}, and the file ${sidecar.sizeBytes}`,
    );
  }
  return index.frames;
}
