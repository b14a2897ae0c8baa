import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  makeClientConstructor,
  type requestCallback,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { OverlayerError } from '../base/errors.js';
import type { LayerSource } from '../layer/options.js';
import type { Labels } from '../metadata/labels.js';
import type { Digest } from '../oci/digest.js';
import type { CallContext } from './calls.js';
import type { InfoResponse, ReadResponse, WriteRequest, WriteResponse } from './content-messages.js';
import { loadService, type ServiceName } from './load-services.js';
import { MESSAGE_LIMITS } from './message-limits.js';
import type { LabelsMessage } from './messages.js';
import { fromStatus } from './status.js';

/** Bytes on their way that nobody has asked for yet: node's 64 KiB would mean a round trip for each message. */
const WINDOW = 4 << 20;

export interface WriteOptions {
  /** Of the ingest; one that is there begins anew. */
  readonly ref: string;
  readonly namespace: string;
  /** Holds the blob. */
  readonly lease: string | undefined;
  readonly signal: AbortSignal;
}

export interface WrittenBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Labels;
}

type Client = InstanceType<ServiceClientConstructor>;

/** The content store of the containerd that calls us, through its own socket. */
export class ContainerdContent {
  readonly #address: string;
  readonly #content: Client;
  readonly #namespaces: Client;
  readonly #introspection: Client;

  /** Connects when it is first used, and again whenever containerd was started again. */
  constructor(address: string) {
    this.#address = address;
    this.#content = connect('content', address);
    this.#namespaces = connect('namespaces', address);
    this.#introspection = connect('introspection', address);
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

  /** containerd 1.7 does not tell a differ in which namespace it is asked. Whichever has the blob has the same bytes. */
  async #findNamespace(digest: Digest): Promise<string> {
    const { namespaces } = await this.#ask<{ readonly namespaces: readonly { readonly name: string }[] }>(
      this.#namespaces,
      'list',
      {},
    );
    for (const { name } of namespaces)
      try {
        await this.#stat(digest, name);
        return name;
      } catch (error) {
        if (!OverlayerError.is(error) || error.code !== 'NotFound') throw error;
      }
    throw new OverlayerError('NotFound', `containerd at "${this.#address}" has no blob ${digest}`);
  }

  async #stat(digest: Digest, namespace: string): Promise<void> {
    await this.#ask<InfoResponse>(this.#content, 'info', { digest }, inNamespace(namespace));
  }

  /**
   * Where containerd keeps its content in files (its own plugin does, plugins/content/local), they are read as they are:
   * as messages the bytes would take twice as long, and the caller's event loop.
   */
  async #findFile(digest: Digest): Promise<string | undefined> {
    const plugins = await this.#contentPlugins();
    return plugins
      .flatMap(({ exports: { root } }) => (root === undefined ? [] : blobFile(root, digest)))
      .find((path) => existsSync(path));
  }

  async #contentPlugins(): Promise<readonly { readonly exports: LabelsMessage }[]> {
    try {
      const { plugins } = await this.#ask<{
        readonly plugins: readonly { readonly exports: LabelsMessage }[];
      }>(this.#introspection, 'plugins', { filters: ['type==io.containerd.content.v1'] });
      return plugins;
    } catch (error) {
      if (OverlayerError.is(error) && error.code === 'Unimplemented') return []; // a content store alone
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
      throw fromStatus(error, `Cannot read blob ${digest} from containerd at "${this.#address}"`);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /**
   * Makes a blob of bytes as they come.
   *
   * @param commit says what they were, once they have all come
   */
  async write(
    bytes: AsyncIterable<Uint8Array>,
    { ref, namespace, lease, signal }: WriteOptions,
    commit: () => Promise<WrittenBlob>,
  ): Promise<WrittenBlob> {
    const metadata = inNamespace(namespace);
    if (lease !== undefined) metadata.set('containerd-lease', lease);
    const call = this.#content['write']!(metadata) as ClientDuplexStream<
      Partial<WriteRequest>,
      WriteResponse
    >;
    call.on('error', () => {}); // also when nobody waits for an answer
    const answers = call[Symbol.asyncIterator]();
    const send = async (request: Partial<WriteRequest>) => {
      call.write({ ref, ...request });
      await answers.next();
    };
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    let blob: WrittenBlob | undefined;
    try {
      let offset = 0;
      for await (const data of bytes) {
        await send({ action: 'WRITE', offset, data });
        offset += data.length;
      }
      blob = await commit();
      await send({ action: 'COMMIT', offset, total: blob.size, expected: blob.digest, labels: blob.labels });
      return blob;
    } catch (cause) {
      const error = fromStatus(cause, `Cannot write a blob to containerd at "${this.#address}"`);
      // The same bytes, made before.
      if (blob !== undefined && OverlayerError.is(error) && error.code === 'AlreadyExists') return blob;
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      call.end(); // what was not committed is not
    }
  }

  async #ask<Answer>(
    client: Client,
    method: string,
    request: object,
    metadata = new Metadata(),
  ): Promise<Answer> {
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const done: requestCallback<Answer> = (error, answer) =>
          error === null ? resolve(answer!) : reject(error);
        client[method]!(request, metadata, done);
      });
    } catch (error) {
      throw fromStatus(error, `Cannot ask containerd at "${this.#address}"`);
    }
  }

  close(): void {
    this.#content.close();
    this.#namespaces.close();
    this.#introspection.close();
  }
}

function blobFile(root: string, digest: Digest): string {
  return join(root, 'blobs', ...digest.split(':'));
}

/** Clients of one address share a connection. */
function connect(service: ServiceName, address: string): Client {
  const ServiceClient = makeClientConstructor(loadService(service), service);
  return new ServiceClient(`unix:${address}`, credentials.createInsecure(), {
    ...MESSAGE_LIMITS,
    'grpc.max_reconnect_backoff_ms': 3000,
    'grpc-node.flow_control_window': WINDOW,
  });
}

function inNamespace(name: string): Metadata {
  const metadata = new Metadata();
  metadata.set('containerd-namespace', name);
  return metadata;
}
