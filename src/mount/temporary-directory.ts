import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toOverlayerError } from '../system/errno-code.js';

/**
 * Makes a directory that only this user may look into. Remove it with rmdir, never recursively: something may be
 * mounted.
 */
export async function makeTemporaryDirectory(purpose: string): Promise<string> {
  const directory = tmpdir();
  try {
    return await mkdtemp(join(directory, `overlayer-${purpose}-`));
  } catch (error) {
    throw toOverlayerError(error, `Cannot make a temporary directory in "${directory}"`);
  }
}
