import { readdirSync, readFileSync } from 'node:fs';
import type { StepResult } from './runner.ts';

/** Where a text was found; numbers of lines, and names. */
export interface MarkerPlaces {
  /** As a user sees it. */
  readonly log: number;
  /** Before masking, without the orders to mask. */
  readonly rawLog: number;
  readonly maskCommands: number;
  readonly annotations: number;
  readonly summary: number;
  readonly outputs: readonly string[];
  readonly state: readonly string[];
  readonly exportedEnv: readonly string[];
}

/** @param marker a part of a secret, in one line */
export function findMarker(result: StepResult, marker: string): MarkerPlaces {
  const linesWith = (text: string) => text.split('\n').filter((line) => line.includes(marker));
  const namesWith = (pairs: Readonly<Record<string, string>>) =>
    Object.keys(pairs).filter((name) => name.includes(marker) || pairs[name]?.includes(marker));
  const raw = linesWith(result.rawLog);
  const rawLog = raw.filter((line) => !/^\s*::add-mask::/i.test(line)).length;
  return {
    log: linesWith(result.log).length,
    rawLog,
    maskCommands: raw.length - rawLog,
    annotations: result.annotations.filter(({ message, title }) => `${title} ${message}`.includes(marker))
      .length,
    summary: linesWith(result.summary).length,
    outputs: namesWith(result.outputs),
    state: namesWith(result.state),
    exportedEnv: namesWith(result.exportedEnv),
  };
}

const SAMPLE_MS = 20;

/**
 * Looks at the command line of every process of the machine, every 20 ms; a process that lives shorter may be missed.
 * @returns a function that stops it and tells the command lines with the marker, each once
 */
export function watchArgv(marker: string): () => string[] {
  const found = new Set<string>();
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const argv = argvOf(pid);
      if (pid !== String(process.pid) && argv.includes(marker)) {
        found.add(argv);
      }
    }
  };
  const timer = setInterval(look, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    look();
    return [...found];
  };
}

function argvOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
}
