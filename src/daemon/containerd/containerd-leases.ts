import { OverlayerError } from '../../base/errors.js';
import { EXPIRE_LABEL } from '../../content/lease-records.js';
import { ask, type Client, connect, inNamespace } from './containerd-client.js';

/** All blobs that are made within this time share a lease. */
const SPAN_MS = 10 * 60 * 1000;
/** The lease holds its last blob for this time. A client may unpack a layer before it refers to it. */
const HOLD_MS = 60 * 60 * 1000;

/**
 * The daemon's own leases in the calling containerd. containerd does not pass the caller's lease to a differ
 * (core/diff/proxy). Its garbage collection would delete a layer without a lease before the caller refers to it.
 */
export class ContainerdLeases {
  readonly #leases: Client;

  /** @param address path of the socket */
  constructor(address: string) {
    this.#leases = connect('leases', address);
  }

  /**
   * Makes a lease that lasts for at least an hour. containerd's garbage collection deletes it after it has expired.
   *
   * @returns its id; undefined when the server is a content store without leases
   * @throws OverlayerError with the code of containerd's status
   */
  async hold(namespace: string): Promise<string | undefined> {
    const span = Math.floor(Date.now() / SPAN_MS);
    const id = `overlayer-diff-${span}`;
    const expiresAt = new Date((span + 1) * SPAN_MS + HOLD_MS);
    const labels = { [EXPIRE_LABEL]: expiresAt.toISOString() };
    try {
      await ask(this.#leases, 'create', { id, labels }, inNamespace(namespace));
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      if (error.code === 'Unimplemented') return undefined;
      if (error.code !== 'AlreadyExists') throw error; // an earlier call made it
    }
    return id;
  }

  close(): void {
    this.#leases.close();
  }
}
