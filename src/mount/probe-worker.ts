import { handleJobs } from '../base/threads/worker-thread.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import { SystemError } from '../system/system.js';
import { mountError } from './mount-error.js';
import { mountOnto } from './mount-onto.js';
import { type ProbeJobs, probe, withoutUnmount } from './overlay-support.js';

// A thread that probes overlayfs with mounts in a mount namespace of its own. The namespace ends with the thread, so
// no mount is left when the process is killed. The probe looks at them synchronously: Node's other threads, which do
// asynchronous calls, do not see them.

const linux = openLinuxMountSystem();
const system = withoutUnmount(linux);
let isInside = false;

handleJobs<ProbeJobs>({
  async probe({ scratch }) {
    try {
      return await probe(system, scratch, async (mount, target) => {
        if (!isInside) enterNamespace();
        isInside = true;
        await mountOnto(system, [mount], target);
        return target;
      });
    } catch (error) {
      throw toOverlayerError(error, `Cannot try overlayfs in "${scratch}"`);
    }
  },
});

function enterNamespace(): void {
  try {
    linux.enterMountNamespace();
  } catch (error) {
    throw error instanceof SystemError ? mountError('Cannot mount', error) : error;
  }
}
