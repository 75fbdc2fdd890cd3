import { runPostStep } from './step.ts';

process.exit(await runPostStep());
