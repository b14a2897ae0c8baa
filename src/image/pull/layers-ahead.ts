import type { UnpackLayerOptions } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { isNonDistributable } from '../../oci/media-types.js';
import type { ImageSource } from '../source/image-source.js';

/** Larger layers are read from the network while they are unpacked: a round trip matters less to them. */
const MAX_LAYER_BYTES = 1024 ** 2;

/**
 * Whether the caller's thread unpacks an image: no thread starts for an image that is small as a whole.
 *
 * @param thread as in `UnpackLayerOptions`
 */
export function isForCaller(thread: UnpackLayerOptions['thread'], layers: readonly Descriptor[]): boolean {
  return thread === 'caller' && layers.reduce((sum, { size }) => sum + size, 0) <= MAX_LAYER_BYTES;
}
/** Layers that have been fetched, or are, and had no turn yet. */
const MOST_AHEAD = 4;

/** Fetches a layer. Its result is handed over when the layer has its turn. */
type FetchAhead<T> = (layer: Descriptor, signal: AbortSignal) => Promise<T>;

/**
 * Fetches small layers of a registry before their turn: beside the config, and while those below are unpacked. An image of
 * ten small layers then takes three round trips in place of twelve.
 */
export class LayersAhead<T> {
  readonly #fetch: FetchAhead<T>;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #atOnce: number;
  #most = 0;
  #waiting: readonly Descriptor[] = [];
  readonly #fetched = new Map<Digest, Promise<T>>();
  /** How often each small layer has its turn: an image may list one several times. */
  readonly #turns = new Map<Digest, number>();

  /** @param atOnce the number of layers that have their turn at once */
  constructor(fetch: FetchAhead<T>, atOnce: number, signal: AbortSignal | undefined) {
    this.#fetch = fetch;
    this.#atOnce = atOnce;
    const ending = this.#ending.signal;
    this.#signal = signal === undefined ? ending : AbortSignal.any([signal, ending]);
  }

  /** Begins to fetch the small ones, in their order. Layers of a local source need not be fetched. */
  begin({ isRemote = false, connections = Infinity }: ImageSource, layers: readonly Descriptor[]): void {
    if (!isRemote) return;
    this.#most = Math.min(MOST_AHEAD, connections - this.#atOnce);
    this.#waiting = layers.filter(
      ({ size, mediaType }) => size <= MAX_LAYER_BYTES && !isNonDistributable(mediaType),
    );
    for (const { digest } of this.#waiting) this.#turns.set(digest, (this.#turns.get(digest) ?? 0) + 1);
    this.#goOn();
  }

  /** The layer has its turn. @returns undefined when it was not fetched ahead */
  take({ digest }: Descriptor): Promise<T> | undefined {
    const fetched = this.#fetched.get(digest);
    const turns = (this.#turns.get(digest) ?? 1) - 1;
    this.#turns.set(digest, turns);
    if (turns <= 0) this.#fetched.delete(digest);
    this.#waiting = this.#waiting.filter((layer) => layer.digest !== digest);
    this.#goOn();
    return fetched;
  }

  /** Stops what is running, and waits for its end. */
  async end(): Promise<void> {
    this.#waiting = [];
    this.#ending.abort();
    await Promise.allSettled(this.#fetched.values());
  }

  #goOn(): void {
    while (this.#fetched.size < this.#most) {
      const [layer, ...rest] = this.#waiting;
      if (layer === undefined) return;
      this.#waiting = rest.filter(({ digest }) => digest !== layer.digest);
      const fetched = this.#fetch(layer, this.#signal);
      fetched.catch(() => {}); // `take` hands the error over
      this.#fetched.set(layer.digest, fetched);
    }
  }
}
