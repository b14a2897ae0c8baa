import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { Limits } from '../../base/limits.js';
import type { Ingest, OpenIngestOptions } from '../../content/content-store.js';
import type { LeaseResource } from '../../content/leases.js';
import type { UnpackLayerOptions } from '../../layer/options.js';
import { parseDigest } from '../../oci/digest.js';
import type { ImageSource } from '../source/image-source.js';
import { collectGarbage } from '../store/garbage.js';
import type { StoreParts } from '../store/store-parts.js';
import type { LayersAhead } from './layers-ahead.js';

/** The state that all parts of one pull share. */
export interface PullContext {
  readonly parts: StoreParts;
  readonly source: ImageSource;
  readonly lease: PullLease;
  /** Whether blobs of layers stay in the content store. */
  readonly keepBlobs: boolean;
  /** `fetchIntoIngest`, for small layers. @default none */
  readonly ahead?: LayersAhead<boolean> | undefined;
  /** Limits of each layer. */
  readonly limits: Partial<Limits> | undefined;
  readonly signal: AbortSignal;
  /** The thread that unpacks the layers. */
  readonly thread: UnpackLayerOptions['thread'];
}

/**
 * The lease of one pull on all resources that it uses. Also records which of them the pull made. End it with `release` or
 * `undo`. When the process is killed the lease ends with it.
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

  /** Call it before looking whether the resources exist. */
  async hold(...resources: readonly LeaseResource[]): Promise<void> {
    // Concurrently: they share one write to the disk.
    await Promise.all(resources.map((resource) => this.#parts.content.leases.add(this.id, resource)));
  }

  /** Holds resources, and records that this pull makes those that do not exist yet. */
  async holdNew(...resources: readonly LeaseResource[]): Promise<void> {
    await this.hold(...resources);
    const { content, snapshots } = this.#parts;
    for (const resource of resources) {
      const { type, id } = resource;
      const found = await (type === 'content' ? content.find(parseDigest(id)) : snapshots.find(id));
      if (found === undefined) this.noteMade(resource);
    }
  }

  /** Records that this pull has made the resource, or is about to. */
  noteMade({ type, id }: LeaseResource): void {
    if (type === 'content') this.#made.blobs.add(id);
    else if (type === 'snapshot') this.#made.snapshots.add(id);
    else if (type === 'ingest') this.#made.ingests.add(id);
  }

  /** Records that this pull has made all resources that it holds. */
  async noteAllMade(): Promise<void> {
    for (const resource of await this.#parts.content.leases.resources(this.id)) this.noteMade(resource);
  }

  /** Ends the lease: an image uses its resources, or the next collection may delete them. */
  async release(): Promise<void> {
    // A user may have deleted the lease meanwhile.
    await ifFound(this.#parts.content.leases.delete(this.id));
  }

  /** Ends the lease, and deletes what this pull made and no other process uses. */
  async undo(): Promise<void> {
    const { content } = this.#parts;
    for (const ref of this.#made.ingests)
      await content.abort(ref).catch((error: unknown) => {
        if (!OverlayerError.is(error)) throw error; // it is a blob by now, or another process writes to it
      });
    await this.release();
    const { blobs, snapshots } = this.#made;
    if (blobs.size > 0 || snapshots.size > 0) await collectGarbage(this.#parts, { only: this.#made });
  }
}

/**
 * Opens an ingest under a lock. Other fetches of the same blob, in this process or another, wait.
 *
 * @throws OverlayerError `AlreadyExists` when the store has the blob of `options.digest`
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
