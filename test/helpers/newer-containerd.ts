import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const PLACE = '/var/tmp/overlayer-test-peers/containerd-1.7';

/** Folder with the programs of a containerd that knows differs as plugins. */
export const NEWER_CONTAINERD = join(PLACE, 'usr/bin');

/** Gets it, once for all runs. */
export function installNewerContainerd(): void {
  execFileSync('sh', [join(import.meta.dirname, 'newer-containerd.sh'), PLACE], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
