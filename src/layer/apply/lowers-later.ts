import { OverlayerError } from '../../base/errors.js';

/**
 * For a layer that is unpacked before it is known what is below it, when it relies on that: a directory that it does not
 * list takes the lower one's attributes, a link's target may be a lower file, a lower symlink may lead elsewhere.
 *
 * - `refuse`: fails with `FailedPrecondition`, of which `needsLowers` is true, at the first such entry
 * - `note`: goes on as if nothing were below, without the links that have no target, and says what was needed
 */
export type LowersLater = 'refuse' | 'note';

/** What was needed of the lower layers: attributes of directories alone, or files to link to as well. */
export type NeedsLowers = 'directories' | 'links';

/** Whether a layer was refused because it relies on lower layers that are not there yet. */
export function needsLowers(error: unknown): error is OverlayerError {
  return OverlayerError.is(error) && error.reason === 'needs-lowers';
}
