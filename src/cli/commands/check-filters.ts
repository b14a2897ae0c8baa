import { OverlayerError } from '../../index.js';

/** One part of a filter in containerd's language: `labels."a.b"~=/^x/`. */
const SELECTOR =
  /\s*([A-Za-z]\w*(?:\.(?:[A-Za-z]\w*|"(?:[^"\\]|\\.)*"))*)\s*(?:(==|!=|~=)\s*("(?:[^"\\]|\\.)*"|\/(?:[^/\\]|\\.)*\/|\|(?:[^|\\]|\\.)*\||[^\s,"]+))?\s*(?:,|$)/y;

/** A field of the listed items, and the words that it can have; without words it can have any value. */
type FilterFields = Readonly<Record<string, readonly string[] | 'any' | 'labels'>>;

/**
 * Refuses a filter that can never match: the library ignores fields that it does not know, as containerd does. A filter that
 * cannot be read is left to the library.
 *
 * @throws OverlayerError `InvalidArgument` that lists the fields, or the words of the field
 */
export function checkFilters(filters: readonly string[] | undefined, fields: FilterFields): void {
  for (const filter of filters ?? [])
    for (const { field, operator, value } of selectorsOf(filter)) {
      const known = fields[field] ?? (fields['labels'] && /^labels\./.test(field) ? 'labels' : undefined);
      if (known === undefined)
        throw new OverlayerError('InvalidArgument', `No field "${field}" to filter by`, {
          hint: `--filter takes ${Object.keys(fields).join(', ').replace('labels', 'labels.NAME')}`,
        });
      if (typeof known !== 'string' && operator === '==' && !known.includes(value))
        throw new OverlayerError('InvalidArgument', `Field "${field}" is never "${value}"`, {
          hint: `it is ${known.join(', ')}`,
        });
    }
}

interface Selector {
  readonly field: string;
  readonly operator: string;
  readonly value: string;
}

function selectorsOf(filter: string): Selector[] {
  const selectors: Selector[] = [];
  SELECTOR.lastIndex = 0;
  while (SELECTOR.lastIndex < filter.length) {
    const match = SELECTOR.exec(filter);
    if (match === null) return selectors;
    const [, field = '', operator = '', value = ''] = match;
    selectors.push({ field, operator, value: value.replace(/^"(.*)"$/, '$1') });
  }
  return selectors;
}
