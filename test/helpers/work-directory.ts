import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
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

/** The same, for as long as it is used. @param use is told where a name is in it */
export async function inWorkDirectory(
  use: (at: (name: string) => string) => Promise<void>,
  where?: 'fast' | 'disk',
): Promise<void> {
  const root = makeWorkDirectory(where);
  try {
    await use((name) => join(root, name));
  } finally {
    rmSync(root, { recursive: true });
  }
}
