import { basename, dirname } from 'node:path';
import { DefaultArtifactClient } from '@actions/artifact';
import { uploadWorkflowArtifact } from '../src/publish/workflow-artifact.ts';
import type { Cost } from './measure.ts';

/** What one upload costs the process that does it, start-up left out. */
export interface UploadCost extends Cost {
  readonly rssMb: number;
}

const [, , way, path = '', sha256 = ''] = process.argv;
const cpuBefore = process.cpuUsage();
const before = performance.now();
if (way === 'zip') {
  await new DefaultArtifactClient().uploadArtifact(basename(path), [path], dirname(path));
} else {
  await uploadWorkflowArtifact({ path, sha256, replace: false });
}
const { user, system } = process.cpuUsage(cpuBefore);
const cost: UploadCost = {
  wallSeconds: (performance.now() - before) / 1000,
  cpuSeconds: (user + system) / 1e6,
  rssMb: process.resourceUsage().maxRSS / 1000,
};
// Keeps this process until the parent has read it.
process.once('disconnect', () => {});
process.send?.(cost);
