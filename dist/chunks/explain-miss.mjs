export { t as differencesFrom, n as explainMiss } from "./explain-miss2.mjs";
