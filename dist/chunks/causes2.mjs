export { t as onlyHereLines } from "./causes.mjs";
