import { RE2JS } from 're2js';
import { OverlayerError } from '../base/errors.js';

/** Returns the value at a path; undefined when there is none. */
export type Fields = (path: readonly string[]) => string | undefined;

/**
 * Bound of RE2 instructions. RE2 takes at most one step per instruction and character: half a second for the longest label.
 */
const MAX_PATTERN_INSTRUCTIONS = 1000;
const MAX_PATTERN_CHARACTERS = 4096;

interface Selector {
  readonly path: readonly string[];
  readonly matches: (value: string | undefined) => boolean;
}

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
  const parsed = filters.map((filter) => new FilterParser(filter).parse());
  if (parsed.length === 0) return () => true;
  return (fields) =>
    parsed.some((selectors) => selectors.every(({ path, matches }) => matches(fields(path))));
}

class FilterParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector[] {
    if (this.#text.trim() === '') return [];
    const selectors: Selector[] = [];
    do selectors.push(this.#selector());
    while (this.#take(/\s*,\s*/y) !== undefined);
    if (this.#at < this.#text.length) throw this.#wrong('unexpected');
    return selectors;
  }

  #selector(): Selector {
    this.#take(/\s*/y);
    const path = [this.#field()];
    while (this.#take(/\./y) !== undefined) path.push(this.#field());
    const operator = this.#take(/\s*(?:==|!=|~=)\s*/y)?.trim();
    if (operator === undefined) return { path, matches: (value) => value !== undefined && value !== '' };
    const wanted = this.#value(operator);
    if (operator === '==') return { path, matches: (value) => value === wanted };
    if (operator === '!=') return { path, matches: (value) => (value ?? '') !== wanted };
    const pattern = this.#pattern(wanted);
    return { path, matches: (value) => pattern.test(value ?? '') };
  }

  #field(): string {
    return this.#take(/[A-Za-z]\w*/y) ?? this.#quoted() ?? this.#fail('no field');
  }

  #value(operator: string): string {
    if (operator === '~=') {
      const pattern = this.#take(/\/(?:[^/\\]|\\.)*\/|\|(?:[^|\\]|\\.)*\|/y);
      if (pattern !== undefined) return pattern.slice(1, -1);
    }
    return this.#quoted() ?? this.#take(/[^\s,"]+/y) ?? this.#fail('no value');
  }

  #quoted(): string | undefined {
    const text = this.#take(/"(?:[^"\\]|\\.)*"/y);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as string;
    } catch {
      return this.#fail('unreadable quotes');
    }
  }

  #pattern(source: string): RE2JS {
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

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    this.#at += match?.length ?? 0;
    return match;
  }

  #fail(what: string): never {
    throw this.#wrong(what);
  }

  #wrong(what: string): OverlayerError {
    const message = `Cannot read filter "${this.#text}": ${what} at character ${this.#at + 1}`;
    return new OverlayerError('InvalidArgument', message, {
      hint: `name==x, parent!="", labels."a.b"~=/^x/`,
    });
  }
}

function tooLarge(source: string): OverlayerError {
  const beginning = source.length > 64 ? `${source.slice(0, 64)}…` : source;
  return new OverlayerError('InvalidArgument', `Too large a regular expression: "${beginning}"`, {
    hint: 'fewer repetitions, or several filters',
  });
}
