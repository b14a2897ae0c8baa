import { join } from 'node:path';

/** Where the programs of another Debian release are: extracted (`debian-packages.sh`), and kept for later runs. */
export function peerDirectory(name: string): string {
  return join('/var/tmp/overlayer-test-peers', name);
}
