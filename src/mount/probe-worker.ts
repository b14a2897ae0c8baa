import { parentPort } from 'node:worker_threads';
import { beginWork } from '../base/start-worker.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { SystemError } from '../system/system.js';
import { mountError } from './mount-error.js';
import { mountOnto } from './mount-onto.js';
import { tryOverlay } from './try-overlay.js';

// A thread that tries overlayfs and ends. Its mounts are in a namespace of its own, which ends with it, or with the
// process: nobody has to unmount them, and a process that is killed leaves none. So all that looks into them is
// synchronous: what is not is done by threads that do not see them.

const scratch = beginWork<string>();
const linux = openLinuxMountSystem();
const mounts: MountSystem = { ...linux, unmount: async () => {} };

let isInside = false;

void tryOverlay(mounts, scratch, async (mount, target) => {
  if (!isInside) enterNamespace();
  isInside = true;
  await mountOnto(mounts, [mount], target);
  return target;
}).then((support) => parentPort!.postMessage(support));

function enterNamespace(): void {
  try {
    linux.enterMountNamespace();
  } catch (error) {
    throw error instanceof SystemError ? mountError('Cannot mount', error) : error;
  }
}
