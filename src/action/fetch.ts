import { runFetchStep } from './fetch-step.ts';

process.exit(await runFetchStep());
