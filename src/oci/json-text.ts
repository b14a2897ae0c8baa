import { OverlayerError } from '../base/errors.js';
import { parseObject, quoted } from './document.js';

/** Names of fields, and indexes of list items. */
export type JsonPath = readonly (string | number)[];

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A field of an object, or an item of a list. */
interface Member {
  /** Undefined for an item. */
  readonly name: string | undefined;
  /** From the name on. */
  readonly whole: Range;
  readonly value: Range;
}

/**
 * A JSON document that is changed in its text. All that no call names stays byte for byte: unknown fields, numbers above
 * 2^53, the order of fields, escapes and white space. `JSON.parse` and `JSON.stringify` would change them.
 *
 * The text was parsed before, so the scanner below only has to find where values end. It does not recurse.
 */
export class JsonText {
  readonly #what: string;
  #text: string;

  /**
   * @param what names the document in errors: `config`
   * @throws OverlayerError as `parseObject`
   */
  constructor(bytes: Uint8Array, what: string) {
    parseObject(bytes, what);
    this.#what = what;
    this.#text = new TextDecoder().decode(bytes);
  }

  get bytes(): Uint8Array {
    return Buffer.from(this.#text);
  }

  /**
   * The value of a field. Null counts as absent.
   *
   * @throws OverlayerError `InvalidArgument`: the object has the field twice, or in another case, or the value that
   *   should hold it is no object. Readers would disagree on the field's value
   */
  get(path: JsonPath): unknown {
    let range = this.#root();
    for (let depth = 0; depth < path.length; depth++) {
      const found = this.#member(range, path, depth);
      if (found === undefined || this.#isNull(found.value)) return undefined;
      range = found.value;
    }
    return this.#parse(range);
  }

  /** Sets a field, and makes the objects that it is in. `undefined` removes it. @throws OverlayerError as `get` */
  set(path: JsonPath, value: unknown): void {
    let range = this.#root();
    for (let depth = 0; depth < path.length; depth++) {
      const found = this.#member(range, path, depth);
      const isLast = depth === path.length - 1;
      if (!isLast && found !== undefined && !this.#isNull(found.value)) {
        range = found.value;
        continue;
      }
      if (value === undefined) {
        if (isLast && found !== undefined) this.#remove(range, found);
        return;
      }
      const text = JSON.stringify(nested(path.slice(depth + 1), value));
      if (found !== undefined) this.#replace(found.value, text);
      else this.#insert(range, `${JSON.stringify(path[depth])}:${text}`);
      return;
    }
  }

  /** Appends to a list, and makes it where it is absent. @throws OverlayerError as `get`; `InvalidArgument`: not a list */
  append(path: JsonPath, ...values: readonly unknown[]): void {
    const before = this.get(path);
    if (before === undefined) {
      this.set(path, values);
      return;
    }
    if (!Array.isArray(before)) throw this.#wrong(path, 'is not a list');
    let range = this.#root();
    for (const depth of path.keys()) range = this.#member(range, path, depth)!.value;
    if (values.length > 0) this.#insert(range, values.map((value) => JSON.stringify(value)).join());
  }

  #root(): Range {
    return valueAt(this.#text, skipSpace(this.#text, 0));
  }

  #member(range: Range, path: JsonPath, depth: number): Member | undefined {
    const key = path[depth]!;
    const isList = typeof key === 'number';
    if (this.#text[range.start] !== (isList ? '[' : '{'))
      throw this.#wrong(path.slice(0, depth), isList ? 'is not a list' : 'is not an object');
    if (isList) return [...membersOf(this.#text, range)][key];
    const found = [...membersOf(this.#text, range)].filter(({ name }) => fold(name!) === fold(key));
    const here = path.slice(0, depth + 1);
    if (found.length > 1) throw this.#wrong(here, 'is there twice');
    const [member] = found;
    if (member !== undefined && member.name !== key)
      throw this.#wrong(here, `is written as "${quoted(member.name!)}"`);
    return member;
  }

  #insert({ start, end }: Range, member: string): void {
    const isEmpty = skipSpace(this.#text, start + 1) === end - 1;
    if (isEmpty) {
      this.#replace({ start: start + 1, end: end - 1 }, member);
      return;
    }
    let at = end - 1;
    while (isSpace(this.#text[at - 1])) at -= 1;
    this.#replace({ start: at, end: at }, `,${member}`);
  }

  /** Removes a field with the comma before it, or after it if it is the first one. */
  #remove(range: Range, { whole }: Member): void {
    const all = [...membersOf(this.#text, range)];
    const at = all.findIndex((each) => each.whole.start === whole.start);
    const [before, after] = [all[at - 1], all[at + 1]];
    if (before !== undefined) this.#replace({ start: before.whole.end, end: whole.end }, '');
    else this.#replace({ start: whole.start, end: after?.whole.start ?? whole.end }, '');
  }

  #replace({ start, end }: Range, text: string): void {
    this.#text = this.#text.slice(0, start) + text + this.#text.slice(end);
  }

  #isNull({ start }: Range): boolean {
    return this.#text[start] === 'n';
  }

  #parse({ start, end }: Range): unknown {
    return JSON.parse(this.#text.slice(start, end));
  }

  #wrong(path: JsonPath, why: string): OverlayerError {
    const where = path.length === 0 ? 'it' : `field ${path.join('.')}`;
    return new OverlayerError('InvalidArgument', `Cannot change the ${this.#what}: ${where} ${why}`, {
      hint: 'other tools may read another value there: do not trust the source of the document',
    });
  }
}

/** An object for each name before the value. */
function nested(path: JsonPath, value: unknown): unknown {
  return path.reduceRight((inner, name) => ({ [name]: inner }), value);
}

/** Go's JSON reader ignores the case of names, by Unicode's simple folding. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** The members of an object or a list. */
function* membersOf(text: string, { start }: Range): Generator<Member> {
  const isObject = text[start] === '{';
  let at = skipSpace(text, start + 1);
  while (text[at] !== '}' && text[at] !== ']') {
    const name = isObject ? valueAt(text, at) : undefined;
    // After the name come white space, a colon, and white space.
    const value = valueAt(text, name === undefined ? at : skipSpace(text, skipSpace(text, name.end) + 1));
    yield {
      name: name && (JSON.parse(text.slice(name.start, name.end)) as string),
      whole: { start: at, end: value.end },
      value,
    };
    at = skipSpace(text, value.end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
}

function valueAt(text: string, start: number): Range {
  let at = start;
  let depth = 0;
  do {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else {
      if (character === '{' || character === '[') depth += 1;
      if (character === '}' || character === ']') depth -= 1;
      at += 1;
      // A number, true, false or null.
      if (depth === 0) while (at < text.length && /[\w.+-]/.test(text[at]!)) at += 1;
    }
  } while (depth > 0);
  return { start, end: at };
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text[at])) at += 1;
  return at;
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r';
}
