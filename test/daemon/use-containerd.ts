import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { BackendName } from '../helpers/backends.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { type ContainerdOptions, ContainerdProcess } from './containerd-process.js';
import { DaemonProcess } from './daemon-process.js';
import { makeSampleImage } from './sample-image.js';

export interface UsedContainerd {
  readonly directory: string;
  /** Archive of the sample image. */
  readonly archive: string;
  readonly containerd: ContainerdProcess;
  /** The namespace of the daemon. containerd sees the mounts that are made in it. */
  readonly host: MountNamespace;
  /** Another one after it was killed. */
  daemon: DaemonProcess;
  /** Stops the daemon, and starts another one. Returns when containerd has found it. */
  restartDaemon(): Promise<void>;
}

interface UseContainerdOptions extends ContainerdOptions {
  /** The daemon's socket is held as by systemd. */
  readonly isHeld?: boolean;
  /** `erofs`: layers are on disk. @default 'overlay' */
  readonly backend?: BackendName | undefined;
}

/** A containerd and the daemon that is its plugin, for the tests of a file or a block. */
export function useContainerd(options: UseContainerdOptions = {}): UsedContainerd {
  const used = {} as { -readonly [name in keyof UsedContainerd]: UsedContainerd[name] };
  const { backend = 'overlay' } = options;
  beforeAll(async () => {
    used.directory = makeWorkDirectory(backend === 'erofs' ? 'disk' : 'fast');
    const image = join(used.directory, 'image');
    mkdirSync(image);
    used.archive = makeSampleImage(image);
    used.host = await MountNamespace.startShared();
    const start = () =>
      DaemonProcess[options.isHeld ? 'startHeld' : 'startIn'](
        used.host,
        used.directory,
        ...['--backend', backend],
      );
    used.daemon = await start();
    used.restartDaemon = async () => {
      await used.daemon.stop();
      used.daemon = await start();
      const list = ['snapshots', '--snapshotter', 'overlayer', 'ls'];
      // containerd tries to connect again every second or three.
      while (
        await used.containerd.ctr(...list).then(
          () => false,
          () => true,
        )
      );
    };
    used.containerd = await ContainerdProcess.start(used.directory, { ...options, host: used.host });
  });
  afterAll(async () => {
    await used.containerd?.kill();
    await used.daemon?.stop('SIGKILL');
    await used.host?.close();
    rmSync(used.directory, { recursive: true });
  });
  return used;
}
