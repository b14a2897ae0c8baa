import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { peerDirectory } from './peer-directory.js';

interface NewerPeer {
  /** Matches the text of a test that needs it. */
  readonly named: RegExp;
  readonly release: string;
  /** Names, or apt's patterns. */
  readonly packages: readonly string[];
  /** Whether the C library of this system may be too old for it. */
  readonly complete?: true;
}

/** Programs of later Debian releases, by their directories. */
const NEWER_PEERS: Readonly<Record<string, NewerPeer>> = {
  'containerd-1.7': { named: /newer-containerd/, release: 'trixie', packages: ['containerd'] },
  'containerd-2': { named: /newer-containerd/, release: 'forky', packages: ['containerd'] },
  'erofs-utils-1.9': { named: /erofs-utils/, release: 'forky', packages: ['erofs-utils'], complete: true },
  'linux-stable': {
    named: /virtual-machine/,
    release: 'trixie',
    packages: ['?reverse-depends(?exact-name(linux-image-cloud-amd64))'],
  },
};

/** Gets those that the chosen tests need, once for all runs. */
export function getNewerPeers(isNamed: (named: RegExp) => boolean): void {
  for (const [name, { named, release, packages, complete }] of Object.entries(NEWER_PEERS)) {
    if (!isNamed(named)) continue;
    const script = join(import.meta.dirname, 'debian-packages.sh');
    const options = complete === undefined ? [] : ['--complete'];
    execFileSync('sh', [script, ...options, release, peerDirectory(name), ...packages], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}
