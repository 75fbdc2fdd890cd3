export { s as runPack } from "./pack-command2.mjs";
