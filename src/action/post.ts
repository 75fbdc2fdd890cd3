import { runPostStep } from './post-step.ts';

process.exit(await runPostStep());
