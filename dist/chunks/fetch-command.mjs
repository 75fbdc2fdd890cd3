export { n as runFetch } from "./fetch-command2.mjs";
