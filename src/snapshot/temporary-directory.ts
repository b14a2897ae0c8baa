import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asSystemError } from '../system/system.js';
import { mountError } from './mount-error.js';

/** An empty directory that nobody else may look into. What is made in it goes by name, and then rmdir. */
export async function makeTemporaryDirectory(purpose: string): Promise<string> {
  const directory = tmpdir();
  try {
    return await mkdtemp(join(directory, `overlayer-${purpose}-`));
  } catch (error) {
    throw mountError('Cannot make a temporary directory', asSystemError(error, directory));
  }
}
