import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { Limits } from '../../base/limits.js';
import type { Ingest, OpenIngestOptions } from '../../content/content-store.js';
import type { LeaseResource } from '../../content/leases.js';
import type { ImageSource } from '../source/image-source.js';
import { collectGarbage } from '../store/garbage.js';
import type { StoreParts } from '../store/store-parts.js';

/** What the parts of one pull have in common. */
export interface PullContext {
  readonly parts: StoreParts;
  readonly source: ImageSource;
  readonly lease: PullLease;
  /** Of layers, in the content store. */
  readonly keepBlobs: boolean;
  /** Of each layer. */
  readonly limits: Partial<Limits> | undefined;
  readonly signal: AbortSignal;
}

/**
 * The lease of one pull on all that it uses, with what it has made itself. End it with `release` or `undo`. The lease of
 * a pull whose process was killed has ended with the process.
 */
export class PullLease {
  readonly #parts: StoreParts;
  readonly id: string;
  readonly #made = { blobs: new Set<string>(), snapshots: new Set<string>(), ingests: new Set<string>() };

  private constructor(parts: StoreParts, id: string) {
    this.#parts = parts;
    this.id = id;
  }

  static async take(parts: StoreParts): Promise<PullLease> {
    const { id } = await parts.content.leases.create({ tiedToProcess: true });
    return new PullLease(parts, id);
  }

  /** Before looking whether they are there. */
  async hold(...resources: readonly LeaseResource[]): Promise<void> {
    // At once: they share a write to the disk.
    await Promise.all(resources.map((resource) => this.#parts.content.leases.add(this.id, resource)));
  }

  /** This pull has made it, or is about to. */
  noteMade({ type, id }: LeaseResource): void {
    if (type === 'content') this.#made.blobs.add(id);
    else if (type === 'snapshot') this.#made.snapshots.add(id);
    else if (type === 'ingest') this.#made.ingests.add(id);
  }

  /** All that it holds, this has made. */
  async noteAllMade(): Promise<void> {
    for (const resource of await this.#parts.content.leases.resources(this.id)) this.noteMade(resource);
  }

  /** The pull needs it no more: an image leads to all that it holds, or the next collection may have it. */
  async release(): Promise<void> {
    // A user can delete the lease of a running pull.
    await ifFound(this.#parts.content.leases.delete(this.id));
  }

  /** Takes back what this pull has made and nobody else uses. */
  async undo(): Promise<void> {
    const { content } = this.#parts;
    for (const ref of this.#made.ingests)
      await content.abort(ref).catch((error: unknown) => {
        if (!OverlayerError.is(error)) throw error; // it has become a blob, or somebody else writes to it
      });
    await this.release();
    const { blobs, snapshots } = this.#made;
    if (blobs.size > 0 || snapshots.size > 0) await collectGarbage(this.#parts, { only: this.#made });
  }
}

/**
 * Opens an ingest while nobody else has it: whoever fetches the same blob, in this process or another, waits.
 *
 * @throws OverlayerError `AlreadyExists` when the blob of `options.digest` is there
 */
export async function openBlobIngest<T>(
  { parts: { content, snapshots }, lease, signal }: PullContext,
  ref: string,
  options: OpenIngestOptions,
  use: (ingest: Ingest) => Promise<T>,
): Promise<T> {
  return await snapshots.withLock(
    ref,
    async () => {
      await lease.hold({ type: 'ingest', id: ref });
      const ingest = await content.openIngest(ref, options);
      lease.noteMade({ type: 'ingest', id: ref });
      try {
        return await use(ingest);
      } finally {
        await ingest.close();
      }
    },
    { signal },
  );
}
