import { t as runMainStep } from "./chunks/step.mjs";
// src/action/main.ts
process.exit(await runMainStep());
export {};
