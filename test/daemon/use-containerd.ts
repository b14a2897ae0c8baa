import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { type ContainerdOptions, ContainerdProcess } from './containerd-process.js';
import { DaemonProcess } from './daemon-process.js';
import { makeSampleImage } from './sample-image.js';

export interface UsedContainerd {
  readonly directory: string;
  /** Archive of the sample image. */
  readonly archive: string;
  readonly containerd: ContainerdProcess;
  /** Another one after it was killed. */
  daemon: DaemonProcess;
}

interface UseContainerdOptions extends ContainerdOptions {
  /** The daemon's socket is held as by systemd. */
  readonly isHeld?: boolean;
}

/** A containerd and the daemon that is its plugin, for the tests of a file or a block. */
export function useContainerd(options: UseContainerdOptions = {}): UsedContainerd {
  const used = {} as { -readonly [name in keyof UsedContainerd]: UsedContainerd[name] };
  beforeAll(async () => {
    used.directory = makeWorkDirectory();
    const image = join(used.directory, 'image');
    mkdirSync(image);
    used.archive = makeSampleImage(image);
    used.daemon = await DaemonProcess[options.isHeld ? 'startHeld' : 'start'](used.directory);
    used.containerd = await ContainerdProcess.start(used.directory, options);
  });
  afterAll(async () => {
    await used.containerd?.kill();
    await used.daemon?.stop('SIGKILL');
    rmSync(used.directory, { recursive: true });
  });
  return used;
}
