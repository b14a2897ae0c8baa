import { RE2JS } from 're2js';
import { OverlayerError } from '../base/errors.js';
import { type FilterCondition, readFilter } from './read-filter.js';

/** Returns the value at a path; undefined when there is none. */
export type Fields = (path: readonly string[]) => string | undefined;

/**
 * Bound of RE2 instructions. RE2 takes at most one step per instruction and character: half a second for the longest label.
 */
const MAX_PATTERN_INSTRUCTIONS = 1000;
const MAX_PATTERN_CHARACTERS = 4096;

/**
 * Reads filters in containerd's language (pkg/filters): `kind==active,labels."a.b"!=x`. In one filter all
 * conditions, separated by commas, must hold. Of several filters one must match. Without filters everything matches.
 *
 * - `path==value`, `path!=value`, `path~=regex`, and `path` alone: the field exists and is not empty
 * - regular expressions are RE2's, as in containerd: they take linear time, unlike JavaScript's
 * - a value, or a part of a path, with other characters than letters, digits and `_` needs double quotes; after `~=`
 *   slashes or bars are allowed too
 *
 * @throws OverlayerError `InvalidArgument`
 */
export function parseFilters(filters: readonly string[]): (fields: Fields) => boolean {
  const parsed = filters.map((filter) =>
    readFilter(filter).map((condition) => ({ path: condition.path, matches: matcherOf(condition) })),
  );
  if (parsed.length === 0) return () => true;
  return (fields) =>
    parsed.some((conditions) => conditions.every(({ path, matches }) => matches(fields(path))));
}

function matcherOf({ operator, value: wanted }: FilterCondition): (value: string | undefined) => boolean {
  switch (operator) {
    case undefined:
      return (value) => value !== undefined && value !== '';
    case '==':
      return (value) => value === wanted;
    case '!=':
      return (value) => (value ?? '') !== wanted;
    case '~=': {
      const pattern = compile(wanted);
      return (value) => pattern.test(value ?? '');
    }
    default:
      return operator satisfies never;
  }
}

function compile(source: string): RE2JS {
  if (source.length > MAX_PATTERN_CHARACTERS) throw tooLarge(source);
  let pattern: RE2JS;
  try {
    pattern = RE2JS.compile(source);
  } catch (cause) {
    throw new OverlayerError('InvalidArgument', `Not a regular expression: "${source}"`, {
      hint: `${(cause as Error).message} (RE2: no backreferences, no look-around)`,
      cause,
    });
  }
  if (pattern.programSize() > MAX_PATTERN_INSTRUCTIONS) throw tooLarge(source);
  return pattern;
}

function tooLarge(source: string): OverlayerError {
  const beginning = source.length > 64 ? `${source.slice(0, 64)}…` : source;
  return new OverlayerError('InvalidArgument', `Too large a regular expression: "${beginning}"`, {
    hint: 'fewer repetitions, or several filters',
  });
}
