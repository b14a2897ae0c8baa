import { existsSync, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OVERLAYFS_MAGIC = 0x794c7630;

/**
 * A new directory for one test. On tmpfs where there is one, for speed; or on `disk`, where inode numbers are
 * used again at once. A container's own /tmp is an overlay and can't be an upperdir: then tmpfs has to do.
 */
export function makeWorkDirectory(where: 'fast' | 'disk' = 'fast'): string {
  const disk = statfsSync(tmpdir()).type !== OVERLAYFS_MAGIC;
  const base = existsSync('/dev/shm') && (where === 'fast' || !disk) ? '/dev/shm' : tmpdir();
  return mkdtempSync(join(base, 'overlayer-test-'));
}
