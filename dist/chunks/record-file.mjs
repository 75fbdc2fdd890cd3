export { t as formatRecord, n as readRecord } from "./record-file2.mjs";
