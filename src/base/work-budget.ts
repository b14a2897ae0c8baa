import { type Limits, limitError } from './limits.js';

/** Any layer may make so many calls: only then do they have to stand in a relation to its entries. */
const WORK_GRACE: number = 2 ** 18;
/** So many more lower layers allow as many calls again: a name may have to be looked for in each. */
const LOWERS_OF_AN_ENTRY = 8;
/** Between two looks at whether somebody wants the end. A call takes 1 to 10 µs. */
const LOOK_EVERY = 64;

/**
 * What a layer makes us do and keep in memory, beside its bytes. An archive of a few kilobytes can ask for millions of
 * calls to the kernel: whatever is done in a loop is charged here, and stops at the limits `maxWork` and `maxMemory`.
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
   * @param options `lowers`: how many lower layers there are. @default 0
   *   `look`: is called now and then, and throws when somebody wants the end
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

  /** From here on the work is this entry's. It is allowed some more. */
  begin(entry: { readonly path: string; readonly offset: number }): void {
    this.#entry = entry;
    this.#allowed += this.#callsOfAnEntry;
  }

  /**
   * @param calls to the kernel, or what takes as long
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

  /** Whether somebody wants the end: before what takes long by itself. @throws what `look` throws */
  look(): void {
    this.#sinceLook = 0;
    this.#look();
  }

  /**
   * Charges nothing for `work`, and looks as ever: a removal takes as long as it took to make what goes, which was paid
   * for then.
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

  /** So many bytes more stay in memory until the layer is done. @throws OverlayerError `ResourceExhausted` */
  keep(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory > this.#limits.maxMemory) throw this.#exceeds('maxMemory');
  }

  #exceeds(limit: 'maxWork' | 'maxMemory'): Error {
    const { path, offset } = this.#entry ?? {};
    return limitError(limit, this.#limits[limit], { entry: path, offset });
  }
}
