import type { AbortableOptions } from '../base/abort.js';
import type { OptionNames } from '../base/check-arguments.js';
import type { Fields } from './filter.js';

/** Which entries a listing gives. */
export interface ListOptions extends AbortableOptions {
  /**
   * Filters in containerd's language (pkg/filters): `kind==active,labels."a.b"~=^x`. All conditions of a filter must
   * hold; an entry is listed when one of the filters matches it.
   * @default all entries
   */
  readonly filters?: readonly string[] | undefined;
}

export const LIST_OPTIONS = {
  signal: true,
  filters: 'strings',
} satisfies OptionNames<ListOptions>;

/** Parses filters. The parser is loaded when it is first used, because its regular expressions are a large module. */
export async function filterBy(filters: readonly string[]): Promise<(fields: Fields) => boolean> {
  if (filters.length === 0) return () => true;
  const { parseFilters } = await import('./filter.js');
  return parseFilters(filters);
}
