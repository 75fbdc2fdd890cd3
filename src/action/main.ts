import { runMainStep } from './step.ts';

// The toolkit leaves connections open, and a call of it that was cancelled goes on: neither may keep the step alive.
process.exit(await runMainStep());
