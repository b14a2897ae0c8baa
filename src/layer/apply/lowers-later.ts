import { OverlayerError } from '../../base/errors.js';
import { reliesOnLowers } from './applier-errors.js';

/**
 * How to unpack a layer before its lower layers are known. It depends on them in three ways: a directory that it does
 * not list takes the lower directory's attributes, a link's target may be a lower file, and a path may lead through a
 * lower symlink.
 *
 * - `refuse`: fail with `FailedPrecondition` (`needsLowers` is true for the error) at the first such entry
 * - `note`: go on as if no layer were below, leave out links without a target, and report what was needed
 */
export type LowersLater = 'refuse' | 'note';

/** The layer's need of its lower layers: attributes of directories only, or also files to link to. */
export type NeedsLowers = 'directories' | 'links';

/** Whether a layer was refused because it relies on lower layers that are not there yet. */
export function needsLowers(error: unknown): error is OverlayerError {
  return OverlayerError.is(error) && error.reason === 'needs-lowers';
}

/** Notes that a layer depends on lower layers that are not known yet. */
export class LowersNeed {
  readonly #later: LowersLater | undefined;
  #need: NeedsLowers | undefined;

  constructor(later: LowersLater | undefined) {
    this.#later = later;
  }

  get need(): NeedsLowers | undefined {
    return this.#need;
  }

  /**
   * @param what names what the layer does not list, for an error
   * @returns false when no lower layers are to come
   * @throws OverlayerError `FailedPrecondition`
   */
  note(what: () => string, need: NeedsLowers): boolean {
    if (this.#later === undefined) return false;
    if (this.#later === 'refuse') throw reliesOnLowers(what());
    if (this.#need !== 'links') this.#need = need;
    return true;
  }
}
