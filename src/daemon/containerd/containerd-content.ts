import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js';
import { OverlayerError } from '../../base/errors.js';
import type { LayerSource } from '../../layer/options.js';
import type { Labels } from '../../metadata/labels.js';
import type { Digest } from '../../oci/digest.js';
import type { InfoResponse, ReadResponse, WriteRequest, WriteResponse } from '../content/content-messages.js';
import type { CallContext } from '../grpc/calls.js';
import { fromStatus } from '../grpc/status.js';
import type { ListNamespacesResponse, PluginsResponse } from '../messages.js';
import { ask, type Client, connect, inNamespace } from './containerd-client.js';
import { ContainerdLeases } from './containerd-leases.js';

interface WriteOptions {
  /** Of the ingest; one that is there begins anew. @default a new one, which goes when this fails */
  readonly ref: string | undefined;
  readonly namespace: string;
  /** Holds the blob; else a lease of our own does, for an hour. */
  readonly lease: string | undefined;
  readonly signal: AbortSignal;
}

interface WrittenBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
}

/** The content store of the containerd that calls us, through its own socket. */
export class ContainerdContent {
  readonly #content: Client;
  readonly #namespaces: Client;
  readonly #introspection: Client;
  readonly #leases: ContainerdLeases;

  /** @param address path of the socket */
  constructor(address: string) {
    this.#content = connect('content', address);
    this.#namespaces = connect('namespaces', address);
    this.#introspection = connect('introspection', address);
    this.#leases = new ContainerdLeases(address);
  }

  /**
   * A blob, to be verified: it is as trustworthy as containerd's disk.
   *
   * @throws OverlayerError what containerd answers; `NotFound`
   */
  async open(digest: Digest, { namespace, signal }: CallContext): Promise<LayerSource> {
    const where = namespace ?? (await this.#findNamespace(digest));
    await this.#stat(digest, where);
    return (await this.#findFile(digest)) ?? this.#read(digest, where, signal);
  }

  /**
   * Makes a blob of bytes as they come. Where it is there already, it gets the labels.
   *
   * @param commit says what they were, once they have all come
   * @throws OverlayerError what containerd answers
   */
  async write(
    bytes: AsyncIterable<Uint8Array>,
    { ref: given, namespace, lease, signal }: WriteOptions,
    commit: () => Promise<WrittenBlob>,
  ): Promise<WrittenBlob> {
    const ref = given ?? `overlayer-diff-${randomBytes(9).toString('base64url')}`;
    const holder = lease ?? (await this.#leases.hold(namespace));
    const call = this.#content['write']!(inNamespace(namespace, holder)) as ClientDuplexStream<
      Partial<WriteRequest>,
      WriteResponse
    >;
    call.on('error', () => {}); // also when nobody waits for an answer
    const answers = call[Symbol.asyncIterator]();
    const send = async (request: Partial<WriteRequest>): Promise<string> => {
      call.write({ ref, ...request });
      return (await answers.next()).value.digest;
    };
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    let blob: WrittenBlob | undefined;
    try {
      let offset = 0;
      let digest: string | undefined;
      for await (const data of bytes) {
        digest = await send({ action: 'WRITE', offset, data });
        offset += data.length;
      }
      blob = await commit();
      if (digest !== blob.digest)
        throw new OverlayerError('DataLoss', `containerd has got ${digest}, and not ${blob.digest}`);
      // Nothing is said to be expected: else containerd would not lease the same bytes where it has them.
      await send({ action: 'COMMIT', offset, total: blob.size, labels: blob.labels });
      return blob;
    } catch (cause) {
      const error = fromStatus(cause, `Cannot write ingest "${ref}" to containerd`);
      if (blob !== undefined && isCode(error, 'AlreadyExists')) {
        await this.#label(blob, namespace);
        return blob;
      }
      call.cancel();
      if (given === undefined) await this.#abort(ref, namespace);
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      call.end(); // what was not committed is not
    }
  }

  /** What can't be taken away now goes when its lease ends. */
  async #abort(ref: string, namespace: string): Promise<void> {
    await ask(this.#content, 'abort', { ref }, inNamespace(namespace)).catch(() => {});
  }

  async #label({ digest, labels }: WrittenBlob, namespace: string): Promise<void> {
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    const request = { info: { digest, labels }, updateMask: { paths } };
    await ask<InfoResponse>(this.#content, 'update', request, inNamespace(namespace));
  }

  /** containerd 1.7 does not tell a differ in which namespace it is asked. Whichever has the blob has the same bytes. */
  async #findNamespace(digest: Digest): Promise<string> {
    const { namespaces } = await ask<ListNamespacesResponse>(this.#namespaces, 'list', {});
    for (const { name } of namespaces)
      try {
        await this.#stat(digest, name);
        return name;
      } catch (error) {
        if (!isCode(error, 'NotFound')) throw error;
      }
    throw new OverlayerError('NotFound', `containerd has no blob ${digest}`);
  }

  async #stat(digest: Digest, namespace: string): Promise<void> {
    await ask<InfoResponse>(this.#content, 'info', { digest }, inNamespace(namespace));
  }

  /**
   * Where containerd keeps its content in files (its own plugin does, plugins/content/local), they are read as they are:
   * as messages the bytes would take a third longer, and the event loop.
   */
  async #findFile(digest: Digest): Promise<string | undefined> {
    const plugins = await this.#contentPlugins();
    return plugins
      .flatMap(({ exports: { root } }) => (root === undefined ? [] : blobFile(root, digest)))
      .find((path) => existsSync(path));
  }

  async #contentPlugins(): Promise<PluginsResponse['plugins']> {
    try {
      const filters = ['type==io.containerd.content.v1'];
      return (await ask<PluginsResponse>(this.#introspection, 'plugins', { filters })).plugins;
    } catch (error) {
      if (isCode(error, 'Unimplemented')) return []; // a content store alone
      throw error;
    }
  }

  async *#read(digest: Digest, namespace: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const stream = this.#content['read']!(
      { digest },
      inNamespace(namespace),
    ) as ClientReadableStream<ReadResponse>;
    stream.on('error', () => {}); // also when nobody reads any more
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel);
    try {
      for await (const { data } of stream) yield data;
    } catch (error) {
      throw fromStatus(error, `Cannot read blob ${digest} from containerd`);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  close(): void {
    this.#content.close();
    this.#namespaces.close();
    this.#introspection.close();
    this.#leases.close();
  }
}

function blobFile(root: string, digest: Digest): string {
  return join(root, 'blobs', ...digest.split(':'));
}

function isCode(error: unknown, code: OverlayerError['code']): boolean {
  return OverlayerError.is(error) && error.code === code;
}
