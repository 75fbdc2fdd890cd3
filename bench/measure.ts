import { readFileSync } from 'node:fs';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = low] =
    sorted.length % 2 === 1 ? [sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (low + high) / 2;
}

export function round(value: number): number {
  return Number(value.toPrecision(3));
}

export interface Cost {
  readonly wallSeconds: number;
  /** Of the whole machine: the work is spread over the engine, its containers and us. Keep the machine quiet. */
  readonly cpuSeconds: number;
}

export async function measure(work: () => Promise<void>): Promise<Cost> {
  const cpuBefore = busySeconds();
  const before = performance.now();
  await work();
  return { wallSeconds: (performance.now() - before) / 1000, cpuSeconds: busySeconds() - cpuBefore };
}

/** proc(5), /proc/stat: user, nice, system, irq and softirq in ticks of 1/100 s. */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)
    .join()
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}
