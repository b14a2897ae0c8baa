import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ContentStore } from '../../src/content/content-store.js';
import { bytesOf } from './bytes-of.js';

/** The names that a journal of `programs/ingest.ts` says are there: what was noted last is that they are committed. */
export function committed(journal: string): string[] {
  return [...lastSteps(journal)].filter(([, step]) => step === 'committed').map(([name]) => name);
}

/** For each name the last step that was noted. */
export function lastSteps(journal: string): Map<string, string> {
  const last = new Map<string, string>();
  for (const line of journal.split('\n').slice(0, -1)) {
    const [step, name] = line.split(' ') as [string, string];
    last.set(name, step);
  }
  return last;
}

/** Reads all blobs. @param names of those that are there @returns what is wrong */
export async function lookThroughBlobs(store: ContentStore, names: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  const labels = new Map<string, string | undefined>();
  for await (const blob of store.walk()) {
    const { state } = await store.verify(blob.digest);
    if (state !== 'whole') problems.push(`${blob.digest} is ${state}`);
    labels.set(blob.digest, blob.labels['name']);
  }
  for (const name of names) {
    const digest = `sha256:${createHash('sha256').update(bytesOf(name)).digest('hex')}`;
    if (labels.get(digest) !== name)
      problems.push(`${name} is ${labels.has(digest) ? 'without its label' : 'not there'}`);
  }
  return problems;
}

/** Reads all ingests. @returns what is wrong */
export async function lookThroughIngests(store: ContentStore): Promise<string[]> {
  const problems: string[] = [];
  for (const { ref } of await store.ingests()) {
    const ingest = await store.openIngest(ref);
    await ingest.close();
    if (ingest.offset > bytesOf(ref).length) problems.push(`ingest ${ref} is too long`);
    else if (!isBeginning(readFileSync(ingest.path), bytesOf(ref))) problems.push(`ingest ${ref} is damaged`);
  }
  return problems;
}

function isBeginning(bytes: Buffer, all: Buffer): boolean {
  return bytes.equals(all.subarray(0, bytes.length));
}
