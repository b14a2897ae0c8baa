import { OverlayerError } from '../../base/errors.js';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import type { WriteRequest, WriteResponse } from './content-messages.js';
import { ContentWriter, expectedOf } from './content-writer.js';

/** The writers of ingests (core/content, `Writer` and `Abort`, as messages). */
export class ContentWriters {
  readonly #content: ContentStore;
  /** That are open, by their refs. */
  readonly #ingests = new Map<string, Ingest>();

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /**
   * One writer of one ingest. The first request names it. Until the caller commits it or goes away nobody else can write
   * to it; what is there then stays for another time.
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
   * Takes an ingest away. Its writer ends: of a caller who has just closed it, the end may not have been heard yet.
   *
   * @throws OverlayerError `NotFound`; `Unavailable`: another process writes to it
   */
  async abort(ref: string): Promise<void> {
    await this.#ingests.get(ref)?.close();
    await this.#content.abort(ref);
  }

  async #open(request: WriteRequest): Promise<Ingest> {
    const { ref, total } = request;
    if (ref === '') throw new OverlayerError('InvalidArgument', 'The first request names no ref');
    const size = total > 0 ? total : undefined;
    const expected = { digest: expectedOf(request), size, sizeIs: 'hint' } as const;
    const ingest = await this.#content.openIngest(ref, expected);
    this.#ingests.set(ref, ingest);
    return ingest;
  }

  async #close(ingest: Ingest): Promise<void> {
    await ingest.close();
    // Another may have opened it since it was aborted.
    if (this.#ingests.get(ingest.ref) === ingest) this.#ingests.delete(ingest.ref);
  }
}
