import { checkArgument } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';

/** A condition of a filter. Without an operator the field must exist, and not be empty. */
export interface FilterCondition {
  /** `['labels', 'a.b']` for `labels."a.b"`. */
  readonly path: readonly string[];
  readonly operator: '==' | '!=' | '~=' | undefined;
  /** The text or the regular expression, without quotes. Empty without an operator. */
  readonly value: string;
}

/**
 * Reads a filter in containerd's language (pkg/filters): `kind==active,labels."a.b"!=x`.
 *
 * @returns its conditions, all of which must hold. Regular expressions are not read
 * @throws OverlayerError `InvalidArgument`
 */
export function readFilter(filter: string): readonly FilterCondition[] {
  checkArgument('filter', filter, 'string');
  return new FilterReader(filter).read();
}

class FilterReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): FilterCondition[] {
    if (this.#text.trim() === '') return [];
    const conditions: FilterCondition[] = [];
    do conditions.push(this.#condition());
    while (this.#take(/\s*,\s*/y) !== undefined);
    if (this.#at < this.#text.length) this.#fail('unexpected');
    return conditions;
  }

  #condition(): FilterCondition {
    this.#take(/\s*/y);
    const path = [this.#field()];
    while (this.#take(/\./y) !== undefined) path.push(this.#field());
    const operator = this.#take(/\s*(?:==|!=|~=)\s*/y)?.trim() as FilterCondition['operator'];
    return { path, operator, value: operator === undefined ? '' : this.#value(operator) };
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

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    this.#at += match?.length ?? 0;
    return match;
  }

  #fail(what: string): never {
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read filter "${this.#text}": ${what} at character ${this.#at + 1}`,
      { hint: `name==x, parent!="", labels."a.b"~=/^x/` },
    );
  }
}
