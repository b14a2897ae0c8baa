import { type Limits, limitError } from './limits.js';

/** Calls that every layer may make, regardless of its number of entries. */
const WORK_GRACE: number = 2 ** 18;
/** Each further group of this many lower layers allows as many calls again: a name may be looked up in each layer. */
const LOWERS_OF_AN_ENTRY = 8;
/** Calls between two checks for an abort. A call takes 1 to 10 µs. */
const LOOK_EVERY = 64;

/**
 * Counts the system calls and the memory that a layer causes. An archive of a few kilobytes can cause millions of system
 * calls, so all work in loops is charged here, up to the limits `maxWork` and `maxMemory`.
 */
export class WorkBudget {
  readonly #limits: Limits;
  readonly #look: () => void;
  readonly #callsOfAnEntry: number;
  #allowed: number;
  #calls = 0;
  #sinceLook = 0;
  #isFree = false;
  #memory = 0;
  #entry: { readonly path: string; readonly offset: number } | undefined;

  /**
   * @param options `lowers`: number of lower layers. @default 0
   *   `look`: called every 64 calls; throws to abort
   */
  constructor(
    limits: Limits,
    options: { readonly lowers?: number | undefined; readonly look?: (() => void) | undefined } = {},
  ) {
    const { lowers = 0, look = () => {} } = options;
    this.#limits = limits;
    this.#look = look;
    const scale = 1 + lowers / LOWERS_OF_AN_ENTRY;
    this.#callsOfAnEntry = limits.maxWork * scale;
    this.#allowed = WORK_GRACE * scale;
  }

  /** Starts an entry, which allows further calls. Errors name the entry. */
  begin(entry: { readonly path: string; readonly offset: number }): void {
    this.#entry = entry;
    this.#allowed += this.#callsOfAnEntry;
  }

  /**
   * @param calls system calls, or work that takes as long
   * @throws OverlayerError `ResourceExhausted`, and what `look` throws
   */
  charge(calls = 1): void {
    if (!this.#isFree) {
      this.#calls += calls;
      if (this.#calls > this.#allowed) throw this.#exceeds('maxWork');
    }
    this.#sinceLook += calls;
    if (this.#sinceLook < LOOK_EVERY) return;
    this.look();
  }

  /** Checks for an abort. Call it before a long system call. @throws the error of `look` */
  look(): void {
    this.#sinceLook = 0;
    this.#look();
  }

  /**
   * Does `work` without charges, but with checks for an abort. It is for removals, whose work was charged when the files were
   * made.
   */
  free<T>(work: () => T): T {
    const wasFree = this.#isFree;
    this.#isFree = true;
    try {
      return work();
    } finally {
      this.#isFree = wasFree;
    }
  }

  /** Charges bytes that stay in memory until the end of the layer. @throws OverlayerError `ResourceExhausted` */
  keep(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory > this.#limits.maxMemory) throw this.#exceeds('maxMemory');
  }

  #exceeds(limit: 'maxWork' | 'maxMemory'): Error {
    const { path, offset } = this.#entry ?? {};
    return limitError(limit, this.#limits[limit], { entry: path, offset });
  }
}
