import { OverlayerError, readFilter } from '../../index.js';

/** A field of the listed items, and the words that it can have; without words it can have any value. */
type FilterFields = Readonly<Record<string, readonly string[] | 'any' | 'labels'>>;

/**
 * Refuses a filter that can never match: the library ignores fields that it does not know, as containerd does.
 *
 * @throws OverlayerError `InvalidArgument` that lists the fields, or the words of the field; as `readFilter`
 */
export function checkFilters(filters: readonly string[] | undefined, fields: FilterFields): void {
  for (const filter of filters ?? [])
    for (const { path, operator, value } of readFilter(filter)) {
      const field = path.join('.');
      const listed = path[0] === 'labels' && path.length > 1 ? 'labels' : field;
      const known = Object.hasOwn(fields, listed) ? fields[listed] : undefined;
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
