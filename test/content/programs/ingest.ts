import { createHash, randomInt } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { openContentStore } from '../../../src/content/open-content-store.js';
import { OverlayerError } from '../../../src/index.js';
import { openLmdbStore } from '../../../src/metadata/lmdb-store.js';
import { bytesOf } from '../bytes-of.js';

export interface Work {
  /** With the metadata, and `content`. */
  readonly directory: string;
  /** A file in which each commit is noted. */
  readonly journal: string;
  readonly seed: number;
}

/** Of so many refs, each for one blob, a lane chooses. No other lane of this process has them. */
const REFS = 10;
const LANES = 4;
const MAX_CHUNK = 40_000;

const { directory, journal, seed } = JSON.parse(process.argv[2]!) as Work;
const metadata = openLmdbStore(join(directory, 'metadata.db'));
const content = await openContentStore({ root: join(directory, 'content'), metadata });

/** Ingests, commits and deletes, until it is killed. */
async function go(lane: number): Promise<never> {
  for (;;) {
    const name = `${seed}-${lane}-${randomInt(REFS)}`;
    const bytes = bytesOf(name);
    const hex = createHash('sha256').update(bytes).digest('hex');
    const digest = `sha256:${hex}` as const;
    try {
      const ingest = await content.openIngest(name, { digest, size: bytes.length });
      while (ingest.offset < bytes.length)
        await ingest.write(bytes.subarray(ingest.offset, ingest.offset + 1 + randomInt(MAX_CHUNK)));
      const hashed = randomInt(2) === 0 ? digest : undefined;
      await ingest.commit({ labels: { name }, hashed });
      appendFileSync(journal, `committed ${name}\n`);
      process.send?.('committed');
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      if (error.code === 'AlreadyExists') {
        appendFileSync(journal, `deleting ${name}\n`);
        await content.delete(digest).catch(() => {}); // another process was faster
      } else if (error.code !== 'Unavailable') throw error;
    }
  }
}

process.send?.('ready');
await Promise.all(Array.from({ length: LANES }, (_, lane) => go(lane)));
