import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toOverlayerError } from '../system/errno-code.js';

/** An empty directory that nobody else may look into. What is made in it goes by name, and then rmdir. */
export async function makeTemporaryDirectory(purpose: string): Promise<string> {
  const directory = tmpdir();
  try {
    return await mkdtemp(join(directory, `overlayer-${purpose}-`));
  } catch (error) {
    throw toOverlayerError(error, `Cannot make a temporary directory in "${directory}"`);
  }
}
