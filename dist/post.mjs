import { n as runPostStep } from "./chunks/step.mjs";
// src/action/post.ts
process.exit(await runPostStep());
export {};
