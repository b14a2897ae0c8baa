import { execFileSync } from 'node:child_process';
import { type Check, checkStore } from './check-store.js';

/** A store on a disk of its own, which is mounted for the time of the check. */
export interface DiskCheck extends Check {
  readonly disk: string;
  readonly mountPoint: string;
}

const problems: string[] = [];
for (const { disk, mountPoint, ...check } of JSON.parse(process.argv[2]!) as readonly DiskCheck[]) {
  execFileSync('mount', ['-o', 'loop', disk, mountPoint]);
  try {
    problems.push(...(await checkStore(check)).map((problem) => `${disk}: ${problem}`));
  } finally {
    execFileSync('umount', [mountPoint]);
  }
}
process.stdout.write(JSON.stringify(problems));
