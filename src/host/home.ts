import { homedir } from 'node:os';

/** Undefined without HOME and without an entry in the password database, and for users that are made to have none. */
export function homeDir(): string | undefined {
  try {
    const home = homedir();
    return home === '' || home === '/nonexistent' ? undefined : home;
  } catch {
    return undefined;
  }
}
