import { createHash, randomUUID } from 'node:crypto';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import type { Digest } from '../../oci/digest.js';
import type { TarEntryReader } from '../../tar/reader.js';
import { isCode } from '../source/is-code.js';
import type { StoredFile } from '../source/stored-file.js';
import { checkMember, digestOfMember, type MemberStore } from './ingest-archive.js';

/** Members as blobs of a content store. */
export class ContentMembers implements MemberStore {
  readonly #content: ContentStore;
  readonly #lease: string | undefined;
  readonly #refs = `archive-${randomUUID()}`;

  /** @param lease id of one that keeps the blobs from the garbage collection */
  constructor(content: ContentStore, lease: string | undefined) {
    this.#content = content;
    this.#lease = lease;
  }

  async keep(member: TarEntryReader): Promise<StoredFile> {
    const { entry } = member;
    const ref = `${this.#refs}-${entry.offset}`;
    const expected = digestOfMember(entry);
    const { leases } = this.#content;
    if (this.#lease !== undefined) {
      await leases.add(this.#lease, { type: 'ingest', id: ref });
      if (expected !== undefined) await leases.add(this.#lease, { type: 'content', id: expected });
    }
    const digest = await this.#store(member, ref, expected);
    const path = await this.#content.path(digest);
    return { digest, bytes: { path, offset: 0, length: entry.size } };
  }

  /** @returns the digest of the blob, which is in the store now, or was before */
  async #store({ entry, body }: TarEntryReader, ref: string, expected: Digest | undefined): Promise<Digest> {
    const ingest = await this.#open(ref, entry.size, expected);
    if (ingest === undefined) return expected!;
    try {
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await ingest.write(chunk);
      }
      const hashed: Digest = `sha256:${sha256.digest('hex')}`;
      checkMember(entry, hashed);
      if (this.#lease !== undefined && expected === undefined)
        await this.#content.leases.add(this.#lease, { type: 'content', id: hashed });
      await ingest.commit({ hashed }).catch(async (error: unknown) => {
        if (!isCode(error, 'AlreadyExists')) throw error;
        await ingest.close();
        await this.#content.abort(ref).catch(() => {}); // nobody waits for it
      });
      return hashed;
    } catch (error) {
      await ingest.close();
      await this.#content.abort(ref).catch(() => {}); // the first error tells more
      throw error;
    }
  }

  /** Undefined when the blob is there. */
  async #open(ref: string, size: number, digest: Digest | undefined): Promise<Ingest | undefined> {
    try {
      return await this.#content.openIngest(ref, { size, digest });
    } catch (error) {
      if (isCode(error, 'AlreadyExists')) return undefined;
      throw error;
    }
  }
}
