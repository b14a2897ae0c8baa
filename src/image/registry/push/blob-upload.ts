import { createHash } from 'node:crypto';
import { readSource } from '../../../base/byte-source.js';
import { OverlayerError } from '../../../base/errors.js';
import type { Digest } from '../../../oci/digest.js';
import { bytesOf } from '../../source/blob-bytes.js';
import type { NewBlob } from '../../target/image-target.js';
import type { Retries } from '../http/retries.js';
import type { Endpoint } from '../repository.js';
import { UploadSession } from './upload-session.js';

/** Size of the chunks of a blob without a digest. They are held in memory until the registry has them. */
const CHUNK_BYTES = 8 * 1024 ** 2;
/** The largest `OCI-Chunk-Min-Length` that is followed. */
const MAX_CHUNK_BYTES = 64 * 1024 ** 2;
/** A connection that breaks after this many bytes resets the count of retries. */
const PROGRESS_BYTES = 1024 ** 2;

export interface BlobUploadOptions {
  readonly endpoint: Endpoint;
  /** The blob, for messages. */
  readonly what: string;
  readonly retries: Retries;
  readonly signal: AbortSignal;
  readonly onBytes?: ((written: number) => void) | undefined;
  /** A session that the registry has begun instead of mounting the blob. */
  readonly session?: UploadSession | undefined;
}

/** Bytes of a blob that one request sends. */
interface Part {
  /** Offset in the blob. */
  readonly start: number;
  readonly length: number;
  /** The bytes from an offset of the blob on. */
  readonly open: NewBlob['open'];
  /** Given with the last part. */
  readonly digest?: Digest | undefined;
}

/** The registry has lost the session: the blob is sent from its start in another one. */
class SessionLost extends Error {}

/** Sends one blob. After a broken connection it continues with the first byte that the registry lacks. */
export class BlobUpload {
  readonly #options: BlobUploadOptions;
  #session: UploadSession | undefined;

  constructor(options: BlobUploadOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /**
   * Sends a blob in one request, and its rest in another one after a break.
   *
   * @param isThere asked when a session is lost: the response to the last request may be what was lost
   * @throws OverlayerError as `Endpoint.request`; `DataLoss`: the bytes have another digest or size
   */
  async send(
    digest: Digest,
    size: number,
    open: NewBlob['open'],
    isThere: () => Promise<boolean>,
  ): Promise<void> {
    await this.#inSessions(async (session, isFirst) => {
      if (!isFirst && (await isThere())) return await session.cancel();
      await this.#sendPart(session, { start: 0, length: size, open, digest });
    });
  }

  /** Sends a blob in chunks, and hashes it. @returns what became known at its end */
  async sendUnknown(open: NewBlob['open']): Promise<{ readonly digest: Digest; readonly size: number }> {
    return await this.#inSessions(async (session) => {
      const hash = createHash('sha256');
      const chunk = Buffer.allocUnsafe(this.#chunkBytes(session));
      const part = (start: number, length: number, digest?: Digest): Part => ({
        ...{ start, length, digest },
        open: async (offset) => ({ bytes: chunk.subarray(offset - start, length), offset }),
      });
      let size = 0;
      let held = 0;
      const reader = readSource(bytesOf((await open(0)).bytes));
      try {
        for (;;) {
          const { done, value } = await reader.next();
          if (done || value === undefined) break;
          hash.update(value);
          for (let rest = value; rest.length > 0; ) {
            const taken = rest.subarray(0, chunk.length - held);
            chunk.set(taken, held);
            held += taken.length;
            rest = rest.subarray(taken.length);
            if (held < chunk.length) continue;
            await this.#sendPart(session, part(size, held));
            size += held;
            held = 0;
          }
        }
      } catch (error) {
        reader.cancel(error);
        throw error;
      }
      const digest: Digest = `sha256:${hash.digest('hex')}`;
      await this.#sendPart(session, part(size, held, digest));
      return { digest, size: size + held };
    });
  }

  /** Does `work` in a session, and again in another one while the registry loses them. A failure cancels the session. */
  async #inSessions<T>(work: (session: UploadSession, isFirst: boolean) => Promise<T>): Promise<T> {
    const { endpoint, what, retries, signal } = this.#options;
    for (let isFirst = true; ; isFirst = false) {
      const begin = () => UploadSession.begin({ endpoint, what }, signal);
      const session = this.#session ?? (await retries.run(begin, signal));
      this.#session = undefined;
      try {
        return await work(session, isFirst);
      } catch (error) {
        await session.cancel();
        if (!(error instanceof SessionLost)) throw error;
      }
    }
  }

  /** @throws SessionLost; OverlayerError, the failure after all retries */
  async #sendPart(session: UploadSession, part: Part): Promise<void> {
    const { retries, signal } = this.#options;
    let sent = 0;
    for (let isBroken = false; ; isBroken = true) {
      try {
        if (isBroken) {
          const kept = await this.#keptOf(session, part);
          if (kept >= sent + PROGRESS_BYTES) retries.reset();
          sent = kept;
        }
        await this.#sendRest(session, part, sent);
        if (part.length >= PROGRESS_BYTES) retries.reset();
        return;
      } catch (error) {
        if (error instanceof SessionLost) throw error;
        await retries.wait(error, signal);
      }
    }
  }

  /** Bytes of the part that the registry has. */
  async #keptOf(session: UploadSession, { start, length }: Part): Promise<number> {
    const offset = await session.offset(this.#options.signal);
    if (offset === undefined || offset < start || offset > start + length) throw new SessionLost();
    return offset - start;
  }

  async #sendRest(
    session: UploadSession,
    { start, length, open, digest }: Part,
    sent: number,
  ): Promise<void> {
    const { signal, onBytes } = this.#options;
    const at = start + sent;
    const body = {
      length: length - sent,
      open: async () => {
        const { bytes, offset } = await open(at);
        return { bytes, offset: offset - at };
      },
      onBytes: onBytes && ((count: number) => onBytes(at + count)),
    };
    if (at === 0 && digest !== undefined) return await session.put(digest, body, signal);
    if (body.length > 0) await session.append(at, body, signal);
    if (digest !== undefined) await session.finish(digest, signal);
  }

  #chunkBytes({ minChunkBytes }: UploadSession): number {
    if (minChunkBytes <= MAX_CHUNK_BYTES) return Math.max(CHUNK_BYTES, minChunkBytes);
    const message = `The registry takes ${this.#options.what} in chunks of at least ${minChunkBytes} bytes, more than the ${MAX_CHUNK_BYTES} that are held in memory`;
    throw new OverlayerError('ResourceExhausted', message);
  }
}
