import type { Fields } from './filter.js';

/** `parseFilters`, which is loaded once there is a filter: what reads regular expressions is large. */
export async function filterBy(filters: readonly string[]): Promise<(fields: Fields) => boolean> {
  if (filters.length === 0) return () => true;
  const { parseFilters } = await import('./filter.js');
  return parseFilters(filters);
}
