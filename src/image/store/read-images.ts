import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { readFileTransaction } from '../../metadata/file-transaction.js';
import type { ListOptions } from '../../metadata/filter-by.js';
import { checkVersion } from '../../snapshot/store/format-version.js';
import { chooseImages, listImages, platformOf } from './image-records.js';
import type { ListedImage } from './store.js';

/**
 * Reads the records of images without opening the store.
 *
 * @returns undefined when the store has to be opened
 * @throws OverlayerError `NotFound`, `InvalidArgument`, `FailedPrecondition`
 */
export async function readImageRecords(
  root: string,
  options: ListOptions,
): Promise<readonly ListedImage[] | undefined> {
  const transaction = readFileTransaction(join(root, 'metadata.db'), ['image', 'format version']);
  if (transaction === undefined) {
    if (existsSync(join(root, 'snapshots'))) return undefined;
    throw new OverlayerError('NotFound', `There is no store in "${root}"`);
  }
  checkVersion(transaction, root);
  const records = await chooseImages(() => listImages(transaction), options);
  return records.map((record) => ({ ...record, platform: platformOf(record) }));
}
