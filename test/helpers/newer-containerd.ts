import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const PLACE = '/var/tmp/overlayer-test-peers';

/** The containerds of later Debian releases: the first that knows differs as plugins, and the first of version 2. */
const RELEASES = { trixie: 'containerd-1.7', forky: 'containerd-2' } as const;

/** Folders with their programs. */
export const NEWER_CONTAINERD = join(PLACE, RELEASES.trixie, 'usr/bin');
export const CONTAINERD_2 = join(PLACE, RELEASES.forky, 'usr/bin');

/** Gets them, once for all runs. */
export function installNewerContainerds(): void {
  for (const [release, name] of Object.entries(RELEASES))
    execFileSync('sh', [join(import.meta.dirname, 'newer-containerd.sh'), release, join(PLACE, name)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
}
