export { n as runFetch } from "./fetch-command.mjs";
