import { handleJobs } from '../base/threads/worker-thread.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import { SystemError } from '../system/system.js';
import { type ErofsProbeJobs, probeMounts } from './erofs-support.js';
import type { Mount } from './mount.js';
import { mountError } from './mount-error.js';
import { mountOnto } from './mount-onto.js';
import { type OverlayProbeJobs, probe } from './overlay-support.js';
import { withoutUnmount } from './probe-mounts.js';

// A thread that probes with mounts in a mount namespace of its own. The namespace ends with the thread, so
// no mount is left when the process is killed. The probe looks at them synchronously: Node's other threads, which do
// asynchronous calls, do not see them.

const linux = openLinuxMountSystem();
const system = withoutUnmount(linux);
let isInside = false;

handleJobs<OverlayProbeJobs & ErofsProbeJobs>({
  probeErofs: ({ scratch }) =>
    orRefused(`Cannot try EROFS in "${scratch}"`, () => probeMounts(scratch, mountAt)),
  probeOverlay: ({ scratch }) =>
    orRefused(`Cannot try overlayfs in "${scratch}"`, () => probe(system, scratch, mountAt)),
});

async function mountAt(mounts: readonly Mount[], target: string): Promise<string> {
  if (!isInside) enterNamespace();
  isInside = true;
  await mountOnto(system, mounts, target);
  return target;
}

async function orRefused<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toOverlayerError(error, what);
  }
}

function enterNamespace(): void {
  try {
    linux.enterMountNamespace();
  } catch (error) {
    throw error instanceof SystemError ? mountError('Cannot mount', error) : error;
  }
}
