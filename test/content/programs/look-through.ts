import { join } from 'node:path';
import { openContentStore } from '../../../src/content/open-content-store.js';
import { openLmdbStore } from '../../../src/metadata/lmdb-store.js';
import { lookThroughBlobs } from '../look-through.js';

export interface Look {
  /** With the metadata, and `content`. */
  readonly directory: string;
  readonly names: readonly string[];
}

const { directory, names } = JSON.parse(process.argv[2]!) as Look;
const metadata = openLmdbStore(join(directory, 'metadata.db'));
const content = await openContentStore({ root: join(directory, 'content'), metadata });
const problems = await lookThroughBlobs(content, names);
await metadata.close();
process.stdout.write(JSON.stringify(problems));
