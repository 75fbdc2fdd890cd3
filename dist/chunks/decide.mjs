export { t as decideProvenance } from "./decide2.mjs";
