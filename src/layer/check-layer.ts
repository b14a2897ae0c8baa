import { OverlayerError } from '../base/errors.js';
import type { DiffID, Digest } from '../oci/digest.js';
import type { ArchiveSummary, DecodedSource, ExpectedLayer } from './worker/jobs.js';

interface LayerDigests {
  readonly digest: Digest | undefined;
  readonly diffID: DiffID | undefined;
}

/** Checks a layer that was read. @throws OverlayerError `DataLoss`, `InvalidArgument` */
export function checkLayer(
  expected: ExpectedLayer,
  archive: ArchiveSummary,
  decoded: DecodedSource,
): LayerDigests {
  const { statedDiffID } = expected;
  const diffID = archive.diffID === undefined ? undefined : (`sha256:${archive.diffID}` as const);
  const digest = decoded.digest === undefined ? diffID : (`sha256:${decoded.digest}` as const);
  checkDigest('digest', expected.digest, digest);
  checkDigest('diffID', expected.diffID, diffID);
  if (expected.hash) checkDigest('diffID', statedDiffID, diffID);
  if (expected.digest === undefined && expected.diffID === undefined && statedDiffID === undefined)
    checkUnnamed(archive, decoded.provesEnd, expected.allowEmpty);
  return { digest, diffID };
}

function checkDigest(
  name: 'digest' | 'diffID',
  expected: Digest | undefined,
  actual: Digest | undefined,
): void {
  if (expected === undefined || expected === actual) return;
  throw new OverlayerError('DataLoss', `Layer has another ${name}: expected ${expected}, got ${actual}`, {
    hint: 'get the layer again, or check the expected value',
    expected,
    actual,
  });
}

/**
 * Checks a layer that neither a digest nor a diffID names: it may be cut off, or it may be something else.
 *
 * @param streamProvesEnd the compressed stream has an end marker, so the archive is whole, too
 * @throws OverlayerError `DataLoss`, `InvalidArgument`
 */
function checkUnnamed(
  { size, endIsMarked, holdsImages }: ArchiveSummary,
  streamProvesEnd: boolean,
  allowEmpty: boolean,
): void {
  if (size === 0) {
    if (allowEmpty) return;
    throw new OverlayerError('DataLoss', 'The layer is empty: it has no byte of an archive', {
      option: 'allowEmpty',
      hint: 'the program that wrote it may have failed; if the layer is meant to be empty, give its digest or diffID, or allowEmpty',
      offset: 0,
    });
  }
  if (holdsImages)
    throw new OverlayerError('InvalidArgument', 'The archive holds images: it is not a layer', {
      hint: 'open it as an image archive; if it is a layer, give its digest or diffID',
    });
  if (!endIsMarked && !streamProvesEnd)
    throw new OverlayerError(
      'DataLoss',
      'The archive has no end marker (two blocks of zeros): it may be cut off',
      { hint: 'get the layer again; if it is meant to end here, give its digest or diffID', offset: size },
    );
}
