export { c as sweepScratch } from "./pack.mjs";
