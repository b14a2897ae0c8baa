import { OverlayerError } from '../../base/errors.js';
import { EXPIRE_LABEL } from '../../content/lease-records.js';
import { ask, type Client, connect, inNamespace } from './containerd-client.js';

/** A lease is for what is made in so much time; the next has another. */
const SPAN_MS = 10 * 60 * 1000;
/** What is made last is held so long. Whoever asked for a layer may unpack it before anything refers to it. */
const HOLD_MS = 60 * 60 * 1000;

/**
 * Leases of our own, in the containerd that calls us. It does not tell a differ of the caller's lease
 * (core/diff/proxy), and its garbage collection takes a layer that none holds, before the caller can refer to it.
 */
export class ContainerdLeases {
  readonly #leases: Client;

  /** @param address path of the socket */
  constructor(address: string) {
    this.#leases = connect('leases', address);
  }

  /**
   * A lease that holds for an hour at least. containerd's garbage collection takes it away once it has expired.
   *
   * @returns its id; undefined where there are no leases, for that is a content store alone
   * @throws OverlayerError what containerd answers
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
      if (error.code !== 'AlreadyExists') throw error; // made for the call before
    }
    return id;
  }

  close(): void {
    this.#leases.close();
  }
}
