export { t as formatRecord, n as readRecord } from "./record-file.mjs";
