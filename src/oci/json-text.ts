import { OverlayerError } from '../base/errors.js';
import { parseObject, quoted } from './document.js';
import {
  fold,
  isSpace,
  type Member,
  membersOf,
  PLAIN,
  type Range,
  skipSpace,
  slice,
} from './json-members.js';

/** Names of fields, and indexes of list items. */
export type JsonPath = readonly (string | number)[];

/**
 * Characters that the changes of one document may read: each change reads all members of the objects on its path. The budget
 * takes 2 to 4 s on a busy machine. A config of 5 MB in which every field is changed stays within it.
 */
const MAX_READ = 256 * 1024 ** 2;

/**
 * A JSON document that is changed in its text. All that no call names stays byte for byte: unknown fields, numbers above
 * 2^53, the order of fields, escapes and white space. `JSON.parse` and `JSON.stringify` would change them.
 *
 * The text was parsed before, so the scanner below only has to find where values end. It does not recurse.
 */
export class JsonText {
  readonly #what: string;
  #text: string;
  #read = 0;

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
    const text = this.getText(path);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** The text of a value. @throws OverlayerError as `get` */
  getText(path: JsonPath): string | undefined {
    const range = this.#find(path);
    return range && slice(this.#text, range);
  }

  /** The texts of a list's items. An absent list has none. @throws OverlayerError as `get`; `InvalidArgument`: not a list */
  itemTexts(path: JsonPath): readonly string[] {
    const range = this.#find(path);
    if (range === undefined) return [];
    if (this.#text[range.start] !== '[') throw this.#wrong(path, 'is not a list');
    return Array.from(this.#membersOf(range), ({ value }) => slice(this.#text, value));
  }

  /** Sets a field, and makes the objects that it is in. `undefined` removes it. @throws OverlayerError as `get` */
  set(path: JsonPath, value: unknown): void {
    this.setText(path, value === undefined ? undefined : JSON.stringify(value));
  }

  /** Sets a field to a value that is JSON already. @throws OverlayerError as `get` */
  setText(path: JsonPath, json: string | undefined): void {
    let range = this.#root();
    for (let depth = 0; depth < path.length; depth++) {
      const found = this.#member(range, path, depth);
      const isLast = depth === path.length - 1;
      if (!isLast && found !== undefined && !this.#isNull(found.value)) {
        range = found.value;
        continue;
      }
      if (json === undefined) {
        if (isLast && found !== undefined) this.#remove(range, found);
        return;
      }
      const text = nested(path.slice(depth + 1), json);
      if (found !== undefined) this.#replace(found.value, text);
      else this.#insert(range, `${JSON.stringify(path[depth])}:${text}`);
      return;
    }
  }

  /**
   * Sets members of an object by their exact names: labels that differ only in their case are two. Null removes a member, and
   * an object without members is removed.
   *
   * @throws OverlayerError as `get`; `InvalidArgument`: not an object
   */
  setMembers(path: JsonPath, values: ReadonlyMap<string, unknown>): void {
    const range = this.#find(path);
    if (range !== undefined && this.#text[range.start] !== '{') throw this.#wrong(path, 'is not an object');
    const left = new Map(values);
    const members: string[] = [];
    const write = (name: string) => {
      const value = left.get(name) ?? null;
      left.delete(name);
      if (value !== null) members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
    };
    for (const { name, whole } of range === undefined ? [] : this.#membersOf(range)) {
      const text = JSON.parse(slice(this.#text, name!)) as string;
      if (values.has(text)) write(text);
      else members.push(slice(this.#text, whole));
    }
    for (const name of left.keys()) write(name);
    this.setText(path, members.length === 0 ? undefined : `{${members.join()}}`);
  }

  /** Replaces a list by items that are JSON already. @throws OverlayerError as `get` */
  setItems(path: JsonPath, texts: readonly string[]): void {
    this.setText(path, `[${texts.join()}]`);
  }

  /** Appends to a list, and makes it where it is absent. @throws OverlayerError as `get`; `InvalidArgument`: not a list */
  append(path: JsonPath, ...values: readonly unknown[]): void {
    const range = this.#find(path);
    if (range === undefined) {
      this.set(path, values);
      return;
    }
    if (this.#text[range.start] !== '[') throw this.#wrong(path, 'is not a list');
    if (values.length > 0) this.#insert(range, values.map((value) => JSON.stringify(value)).join());
  }

  #find(path: JsonPath): Range | undefined {
    let range = this.#root();
    for (let depth = 0; depth < path.length; depth++) {
      const found = this.#member(range, path, depth);
      if (found === undefined || this.#isNull(found.value)) return undefined;
      range = found.value;
    }
    return range;
  }

  #root(): Range {
    const start = skipSpace(this.#text, 0);
    return { start, end: this.#text.trimEnd().length };
  }

  /** @throws OverlayerError `ResourceExhausted` */
  #membersOf(range: Range): Generator<Member> {
    this.#read += range.end - range.start;
    if (this.#read <= MAX_READ) return membersOf(this.#text, range);
    throw new OverlayerError('ResourceExhausted', `Cannot change the ${this.#what}: it is too large`, {
      hint: `it has ${this.#text.length} characters, and is read for each change`,
    });
  }

  #member(range: Range, path: JsonPath, depth: number): Member | undefined {
    const key = path[depth]!;
    const isList = typeof key === 'number';
    if (this.#text[range.start] !== (isList ? '[' : '{'))
      throw this.#wrong(path.slice(0, depth), isList ? 'is not a list' : 'is not an object');
    const members = this.#membersOf(range);
    if (isList) return [...members][key];
    const here = path.slice(0, depth + 1);
    const folded = fold(key);
    let found: Member | undefined;
    let odd: string | undefined;
    for (const member of members) {
      const name = slice(this.#text, member.name!);
      // Most names differ in their length. To read and fold each of them would take five times as long.
      if (name.length !== key.length + 2 && PLAIN.test(name)) continue;
      const text = JSON.parse(name) as string;
      if (fold(text) !== folded) continue;
      if (found !== undefined) throw this.#wrong(here, 'is there twice');
      if (text !== key) odd = text;
      found = member;
    }
    if (odd !== undefined) throw this.#wrong(here, `is written as "${quoted(odd)}"`);
    return found;
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
    const all = [...this.#membersOf(range)];
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

  #wrong(path: JsonPath, why: string): OverlayerError {
    const where = path.length === 0 ? 'it' : `field ${path.join('.')}`;
    return new OverlayerError('InvalidArgument', `Cannot change the ${this.#what}: ${where} ${why}`, {
      hint: 'other tools may read another value there: do not trust the source of the document',
    });
  }
}

/** An object in JSON with other values for some fields. @throws OverlayerError as `JsonText.set` */
export function withFields(json: string, fields: Readonly<Record<string, unknown>>, what: string): string {
  const text = new JsonText(Buffer.from(json), what);
  for (const [name, value] of Object.entries(fields)) text.set([name], value);
  return Buffer.from(text.bytes).toString();
}

/** An object for each name before the value. */
function nested(path: JsonPath, json: string): string {
  return path.reduceRight<string>((inner, name) => `{${JSON.stringify(name)}:${inner}}`, json);
}
