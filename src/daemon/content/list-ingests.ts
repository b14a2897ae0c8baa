import type { ContentStore, IngestInfo } from '../../content/content-store.js';
import { filterBy } from '../../metadata/filter-by.js';

/** Those that pass one of the filters, of which the only field is `ref`. @throws OverlayerError `InvalidArgument` */
export async function listIngests(
  content: ContentStore,
  filters: readonly string[],
): Promise<readonly IngestInfo[]> {
  const passes = await filterBy(filters);
  const ingests = await content.ingests();
  return ingests.filter(({ ref }) => passes(([field]) => (field === 'ref' ? ref : undefined)));
}
