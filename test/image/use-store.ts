import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { openStore, type Store } from '../../src/index.js';
import { type BackendName, makeBackend } from '../helpers/backends.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** What a store has, by name. */
export interface StoreContents {
  readonly images: readonly string[];
  readonly snapshots: readonly string[];
  readonly blobs: readonly string[];
  readonly ingests: readonly string[];
  readonly leases: number;
}

/** A store for each test of the file, or the block. */
export class TestStore {
  directory = '';
  store!: Store;
  readonly #backend: BackendName;

  constructor(backend: BackendName = 'overlay') {
    this.#backend = backend;
    beforeEach(async () => {
      this.directory = makeWorkDirectory();
      await this.open();
    });
    afterEach(async () => {
      await this.store.close();
      rmSync(this.directory, { recursive: true });
    });
  }

  get root(): string {
    return join(this.directory, 'store');
  }

  async open(): Promise<void> {
    this.store = await openStore({ root: this.root, backend: makeBackend(this.#backend, this.root) });
  }

  contents(): Promise<StoreContents> {
    return contentsOf(this.store);
  }
}

export async function contentsOf({ images, snapshots, content }: Store): Promise<StoreContents> {
  const [names, blobs]: [string[], string[]] = [[], []];
  for await (const { name } of snapshots.walk()) names.push(name);
  for await (const { digest } of content.walk()) blobs.push(digest);
  return {
    images: (await images.list()).map(({ name }) => name),
    snapshots: names,
    blobs,
    ingests: (await content.ingests()).map(({ ref }) => ref),
    leases: (await content.leases.list()).length,
  };
}

export const EMPTY: StoreContents = { images: [], snapshots: [], blobs: [], ingests: [], leases: 0 };
