import { readFileSync } from 'node:fs';

/** Who we are to the file system, and what may be left out for it. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** What only root may do (owners, devices, some attributes) is left out and reported, not an error. */
  readonly rootless: boolean;
}

export function resolveIdentity(rootless: boolean | undefined): Identity {
  return { uid: process.geteuid!(), gid: process.getegid!(), rootless: rootless ?? !isRealRoot() };
}

/** Root of the initial user namespace; in any other, uid 0 may not make devices or set `trusted.*` attributes. */
function isRealRoot(): boolean {
  if (process.geteuid!() !== 0) return false;
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}
