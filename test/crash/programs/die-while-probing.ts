import fs, { readdirSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { openSnapshotter } from '../../../src/index.js';

// Opens a store for the first time, and is killed in the midst of finding out what overlayfs can do there: once it looks
// into a mount that is attached nowhere, or as soon as a thread of it has something mounted below its root.

const [root, when] = process.argv.slice(2) as [string, 'detached' | 'threaded'];

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('not reached');
}

function isMounted(task: string): boolean {
  try {
    return readFileSync(`/proc/self/task/${task}/mountinfo`, 'utf8').includes(root);
  } catch {
    return false; // it has ended
  }
}

function look(): void {
  if (readdirSync('/proc/self/task').some(isMounted)) die();
  setImmediate(look);
}

const { rmSync } = fs;
fs.rmSync = (path, options) => {
  if (!String(path).startsWith('/proc/self/fd/')) return rmSync(path, options);
  if (when === 'detached') die();
  throw new Error('It does not work, as with older kernels: a thread has to try');
};
syncBuiltinESMExports();
look();
await openSnapshotter({ root, backend: 'overlay' });
process.exit();
