export { n as onlyHereLines } from "./causes.mjs";
