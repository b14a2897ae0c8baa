import { OverlayerError } from '../base/errors.js';
import type { ContentStore, IngestInfo } from '../content/content-store.js';
import { filterBy } from '../metadata/filter-by.js';

/** @throws OverlayerError `NotFound` */
export async function findIngest(content: ContentStore, ref: string): Promise<IngestInfo> {
  const found = (await content.ingests()).find((ingest) => ingest.ref === ref);
  if (found === undefined) throw new OverlayerError('NotFound', `Ingest "${ref}" does not exist`);
  return found;
}

/** Those that pass one of the filters, of which the only field is `ref`. @throws OverlayerError `InvalidArgument` */
export async function listIngests(
  content: ContentStore,
  filters: readonly string[],
): Promise<readonly IngestInfo[]> {
  const passes = await filterBy(filters);
  const ingests = await content.ingests();
  return ingests.filter(({ ref }) => passes(([field]) => (field === 'ref' ? ref : undefined)));
}
