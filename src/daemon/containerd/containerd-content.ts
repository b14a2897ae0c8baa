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
  /** Ref of the ingest. An existing ingest is emptied first. @default a new ref, which is aborted on a failure */
  readonly ref: string | undefined;
  readonly namespace: string;
  /** The lease that holds the blob. @default a lease of the daemon, for an hour */
  readonly lease: string | undefined;
  readonly signal: AbortSignal;
}

interface WrittenBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
}

/** The content store of the calling containerd, through containerd's own socket. */
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
   * Opens a blob. The caller verifies its bytes.
   *
   * @throws OverlayerError with the code of containerd's status; `NotFound`
   */
  async open(digest: Digest, { namespace, signal }: CallContext): Promise<LayerSource> {
    const where = namespace ?? (await this.#findNamespace(digest));
    await this.#stat(digest, where);
    return (await this.#findFile(digest)) ?? this.#read(digest, where, signal);
  }

  /**
   * Makes a blob of a stream of bytes. A blob that exists gets the labels.
   *
   * @param commit returns digest, size and labels. It is called at the end of the bytes
   * @throws OverlayerError with the code of containerd's status
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
    call.on('error', () => {}); // an error without a pending answer must not end the process
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
        throw new OverlayerError('DataLoss', `containerd received ${digest} instead of ${blob.digest}`);
      // The request has no expected digest: with one, containerd would not add an existing blob to the lease.
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
      call.end(); // discards bytes that were not committed
    }
  }

  /** Deletes an ingest. If that fails, it is deleted when its lease ends. */
  async #abort(ref: string, namespace: string): Promise<void> {
    await ask(this.#content, 'abort', { ref }, inNamespace(namespace)).catch(() => {});
  }

  async #label({ digest, labels }: WrittenBlob, namespace: string): Promise<void> {
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    const request = { info: { digest, labels }, updateMask: { paths } };
    await ask<InfoResponse>(this.#content, 'update', request, inNamespace(namespace));
  }

  /** containerd 1.7 does not pass the namespace to a differ. Any namespace with the blob has the same bytes. */
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
   * containerd's own plugin keeps blobs in files (plugins/content/local), which are read directly. Messages would take
   * a third longer, and time of the event loop.
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
      if (isCode(error, 'Unimplemented')) return []; // a server that is only a content store
      throw error;
    }
  }

  async *#read(digest: Digest, namespace: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const stream = this.#content['read']!(
      { digest },
      inNamespace(namespace),
    ) as ClientReadableStream<ReadResponse>;
    stream.on('error', () => {}); // an error after the last read must not end the process
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
