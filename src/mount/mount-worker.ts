import { parentPort } from 'node:worker_threads';
import { beginWork } from '../base/start-worker.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import { SystemError } from '../system/system.js';
import type { Refusal, ShortMount } from './short-names.js';

// A thread that mounts from a working directory of its own, and ends.
const { directory, call } = beginWork<ShortMount>();
const system = openLinuxMountSystem();

let refusal: Refusal | undefined;
try {
  system.enterDirectory(directory);
  system.mount(call);
} catch (error) {
  if (!(error instanceof SystemError)) throw error;
  refusal = { errno: error.errno, syscall: error.syscall, path: error.path };
}
parentPort!.postMessage(refusal);
