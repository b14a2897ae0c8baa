import { handleJobs } from '../../base/threads/worker-thread.js';
import { openLinuxMountSystem } from '../../system/linux-mount.js';
import { SystemError } from '../../system/system.js';
import type { MountJobs } from './short-names.js';

// A thread with a working directory of its own, for one mount.

const system = openLinuxMountSystem();

handleJobs<MountJobs>({
  mount({ directory, call }) {
    try {
      system.enterDirectory(directory);
      system.mount(call);
      return undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return { errno: error.errno, syscall: error.syscall, path: error.path };
    }
  },
});
