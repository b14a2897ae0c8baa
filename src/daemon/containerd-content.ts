import {
  type ClientReadableStream,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import type { Digest } from '../oci/digest.js';
import type { CallContext } from './calls.js';
import type { ReadResponse } from './content-messages.js';
import { loadServices } from './load-services.js';
import { MESSAGE_LIMITS } from './message-limits.js';
import { fromStatus } from './status.js';

/** Bytes on their way that nobody has asked for yet: node's 64 KiB would mean a round trip for each message. */
const WINDOW = 4 << 20;

/** The content store of the containerd that calls us, through its own socket. */
export class ContainerdContent {
  readonly #address: string;
  readonly #client: InstanceType<ServiceClientConstructor>;

  /** Connects when it is first used, and again whenever containerd was started again. */
  constructor(address: string) {
    this.#address = address;
    const Client = makeClientConstructor(loadServices().content, 'Content');
    this.#client = new Client(`unix:${address}`, credentials.createInsecure(), {
      ...MESSAGE_LIMITS,
      'grpc.max_reconnect_backoff_ms': 3000,
      'grpc-node.flow_control_window': WINDOW,
    });
  }

  /** A blob's bytes, as the caller's namespace has it. @throws OverlayerError what containerd answers */
  async *read(digest: Digest, { namespace, signal }: CallContext): AsyncGenerator<Uint8Array> {
    const metadata = new Metadata();
    metadata.set('containerd-namespace', namespace ?? '');
    signal.throwIfAborted();
    const stream = this.#client['read']!({ digest }, metadata) as ClientReadableStream<ReadResponse>;
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

  close(): void {
    this.#client.close();
  }
}
