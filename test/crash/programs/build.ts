import { OverlayerError, openStore } from '../../../src/index.js';
import { type BackendName, makeBackend } from '../../helpers/backends.js';

export interface Build {
  readonly root: string;
  readonly backend: BackendName;
  /** Of an active snapshot on the layers of an image of the store. */
  readonly key: string;
}

// Commits a snapshot as an image, and writes the digest of the image, or the code of the error.

const { root, backend, key } = JSON.parse(process.argv[2]!) as Build;

async function build(): Promise<string> {
  const store = await openStore({ root, backend: makeBackend(backend, root) });
  try {
    const image = await store.commit(key, 'committed', { sourceDateEpoch: new Date(0) });
    return image.target.digest;
  } finally {
    await store.close();
  }
}

try {
  process.stdout.write(await build());
} catch (error) {
  if (!OverlayerError.is(error)) throw error;
  process.stdout.write(error.code);
}
