export { t as decideProvenance } from "./decide.mjs";
