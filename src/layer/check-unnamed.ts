import { OverlayerError } from '../base/errors.js';
import type { ArchiveSummary } from './worker/jobs.js';

/**
 * What is refused of a layer when neither a digest nor a diffID says that it has to be so: it may be less than was meant,
 * or something else.
 *
 * @param streamProvesEnd the compressed stream says that it is whole, and so is the archive
 * @throws OverlayerError `DataLoss`, `InvalidArgument`
 */
export function checkUnnamed(
  { size, endIsMarked, holdsImages }: ArchiveSummary,
  streamProvesEnd: boolean,
  allowEmpty: boolean,
): void {
  if (size === 0) {
    if (allowEmpty) return;
    throw new OverlayerError('DataLoss', 'The layer is empty: there is not one byte of an archive', {
      hint: 'what should have written it has failed, perhaps; give its digest or diffID, or allowEmpty, if it has to be so',
      offset: 0,
    });
  }
  if (holdsImages)
    throw new OverlayerError('InvalidArgument', 'The archive holds images, and is no layer', {
      hint: 'open it as an image archive; if it is a layer, give its digest or diffID',
    });
  if (!endIsMarked && !streamProvesEnd)
    throw new OverlayerError(
      'DataLoss',
      'The archive has no end marker (two blocks of zeros): it may be cut off',
      { hint: 'get the layer anew, or give its digest or diffID if it has to be so', offset: size },
    );
}
