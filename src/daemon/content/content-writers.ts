import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import { toTimestamp } from '../convert.js';
import type { WriteRequest, WriteResponse } from './content-messages.js';

/** Serves `Write` and `Abort` of containerd's content service (core/content). */
export class ContentWriters {
  readonly #content: ContentStore;
  /** Open ingests by their refs. */
  readonly #ingests = new Map<string, Ingest>();

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /**
   * Serves one writer of one ingest, which the first request names. There is no other writer of it until the caller
   * commits or disconnects. After a disconnect the bytes stay, and a later writer continues.
   */
  async *write(requests: AsyncIterable<WriteRequest>, signal: AbortSignal): AsyncGenerator<WriteResponse> {
    let ingest: Ingest | undefined;
    let writer: ContentWriter | undefined;
    try {
      for await (const request of requests) {
        ingest ??= await this.#open(request);
        writer ??= await ContentWriter.resume(this.#content, ingest, request);
        yield await writer.answer(request, signal);
        if (request.action === 'COMMIT') return;
      }
    } finally {
      if (ingest !== undefined) await this.#close(ingest);
    }
  }

  /**
   * Deletes an ingest and closes its writer: the end of a stream may arrive after the next call of the same caller.
   *
   * @throws OverlayerError `NotFound`; `Unavailable`: another process writes to the ingest
   */
  async abort(ref: string): Promise<void> {
    await this.#ingests.get(ref)?.close();
    await this.#content.abort(ref);
  }

  async #open(request: WriteRequest): Promise<Ingest> {
    const { ref, total } = request;
    if (ref === '') throw new OverlayerError('InvalidArgument', 'The first request has no ref');
    const size = total > 0 ? total : undefined;
    const expected = { digest: expectedOf(request), size, sizeIs: 'hint' } as const;
    const ingest = await this.#content.openIngest(ref, expected);
    this.#ingests.set(ref, ingest);
    return ingest;
  }

  async #close(ingest: Ingest): Promise<void> {
    await ingest.close();
    // Another caller may have opened it again after an abort.
    if (this.#ingests.get(ingest.ref) === ingest) this.#ingests.delete(ingest.ref);
  }
}

/** Answers the requests of one writer. */
class ContentWriter {
  readonly #content: ContentStore;
  readonly #ingest: Ingest;
  /** The hash of the ingest's bytes. */
  #hash: Hash;
  /** Size and digest of the latest request that had them. */
  #total: number;
  #expected: Digest | undefined;

  private constructor(content: ContentStore, ingest: Ingest, hash: Hash, request: WriteRequest) {
    this.#content = content;
    this.#ingest = ingest;
    this.#hash = hash;
    this.#total = request.total;
    this.#expected = expectedOf(request);
  }

  /** Hashes the bytes that the ingest has already. @param request the first request */
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
        throw new OverlayerError('InvalidArgument', `Unknown action: ${action}`);
    }
  }

  /** Appends bytes. A write at offset 0 empties the ingest first. */
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

function expectedOf({ expected }: WriteRequest): Digest | undefined {
  return expected === '' ? undefined : parseDigest(expected);
}
