import { chmodSync, mkdirSync, utimesSync } from 'node:fs';

/**
 * The root of a snapshot without a parent. Of most images no layer says anything of it: then it is as other directories
 * that no entry names, and the same layers give the same tree.
 */
export function makeRoot(path: string): void {
  mkdirSync(path);
  // The umask must not take away from it.
  chmodSync(path, 0o755);
  utimesSync(path, 0, 0);
}
