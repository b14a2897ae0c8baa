import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import { toTimestamp } from '../convert.js';
import type { WriteRequest, WriteResponse } from './content-messages.js';

/** What one writer is asked, and answers. */
export class ContentWriter {
  readonly #content: ContentStore;
  readonly #ingest: Ingest;
  /** Of the bytes that are there. */
  #hash: Hash;
  /** What the caller said last. */
  #total: number;
  #expected: Digest | undefined;

  private constructor(content: ContentStore, ingest: Ingest, hash: Hash, request: WriteRequest) {
    this.#content = content;
    this.#ingest = ingest;
    this.#hash = hash;
    this.#total = request.total;
    this.#expected = expectedOf(request);
  }

  /** @param request the first */
  static async resume(content: ContentStore, ingest: Ingest, request: WriteRequest): Promise<ContentWriter> {
    return new ContentWriter(content, ingest, await hashOf(ingest), request);
  }

  async answer(request: WriteRequest, signal: AbortSignal): Promise<WriteResponse> {
    const { action } = request;
    this.#expected = expectedOf(request) ?? this.#expected;
    if (request.total > 0) this.#total = request.total;
    switch (action) {
      case 'STAT': {
        const { startedAt, updatedAt } = await this.#content.ingest(this.#ingest.ref);
        const times = { startedAt: toTimestamp(startedAt), updatedAt: toTimestamp(updatedAt) };
        return { ...this.#describe(action), ...times };
      }
      case 'WRITE':
        await this.#write(request);
        return this.#describe(action);
      case 'COMMIT':
        await this.#write(request);
        await this.#commit(request, signal);
        return this.#describe(action);
      default:
        action satisfies never;
        throw new OverlayerError('InvalidArgument', `Not an action: ${action}`);
    }
  }

  /** Appends. From offset 0 on the ingest begins anew. */
  async #write({ offset, data }: WriteRequest): Promise<void> {
    const { offset: end } = this.#ingest;
    if (offset === 0 && end > 0) {
      await this.#ingest.truncate();
      this.#hash = createHash('sha256');
    } else if (offset !== end && offset !== 0)
      throw new OverlayerError('InvalidArgument', `Cannot write at ${offset}: the ingest ends at ${end}`);
    if (data.length === 0) return;
    await this.#ingest.write(data);
    this.#hash.update(data);
  }

  async #commit({ labels }: WriteRequest, signal: AbortSignal): Promise<void> {
    const size = this.#total > 0 ? this.#total : undefined;
    const verified = { digest: this.#expected, size, hashed: this.#digest };
    await this.#ingest.commit({ ...verified, labels, existing: 'refuse', signal });
  }

  #describe(action: WriteRequest['action']): WriteResponse {
    const { offset } = this.#ingest;
    return { action, offset, total: this.#total, digest: this.#digest, startedAt: null, updatedAt: null };
  }

  get #digest(): Digest {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }
}

async function hashOf({ path, offset }: Ingest): Promise<Hash> {
  const hash = createHash('sha256');
  if (offset > 0)
    for await (const chunk of createReadStream(path, { end: offset - 1 })) hash.update(chunk as Buffer);
  return hash;
}

export function expectedOf({ expected }: WriteRequest): Digest | undefined {
  return expected === '' ? undefined : parseDigest(expected);
}
