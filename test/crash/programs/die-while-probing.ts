import { readdirSync, readFileSync } from 'node:fs';
import { openSnapshotter } from '../../../src/index.js';

// Opens a store for the first time, and is killed as soon as a thread of it has something mounted below its root.

const root = process.argv[2]!;

function isMounted(task: string): boolean {
  try {
    return readFileSync(`/proc/self/task/${task}/mountinfo`, 'utf8').includes(root);
  } catch {
    return false; // it has ended
  }
}

function look(): void {
  if (readdirSync('/proc/self/task').some(isMounted)) process.kill(process.pid, 'SIGKILL');
  setImmediate(look);
}

look();
await openSnapshotter({ root, backend: 'overlay' });
process.exit();
