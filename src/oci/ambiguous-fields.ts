import { OverlayerError } from '../base/errors.js';
import { quoted } from './document.js';
import { fold, membersOf, PLAIN, type Range, skipSpace, slice } from './json-members.js';
import type { JsonPath } from './json-text.js';

/** The fields of an object that are read, by their folded names; the items of a list; or a value of any kind. */
export type Shape =
  | ReadonlyMap<string, { readonly field: string; readonly inner: Shape }>
  | readonly [Shape]
  | 'value';

export function objectShape(fields: Readonly<Record<string, Shape>>): Shape {
  return new Map(Object.entries(fields).map(([field, inner]) => [fold(field), { field, inner }]));
}

/** An object of which only the names count. */
export function namesShape(names: readonly string[]): Shape {
  return objectShape(Object.fromEntries(names.map((name) => [name, 'value'])));
}

/** A field whose value readers disagree on. */
export interface AmbiguousField {
  readonly path: JsonPath;
  readonly reason: string;
}

/**
 * Finds fields that an object has twice or in another case. Go's JSON reader ignores the case of names, and merges the
 * objects of two fields; others take exact names, and the last value.
 *
 * @param bytes were parsed before
 * @param shape the fields that the caller reads. Others can't refuse a document
 */
export function findAmbiguous(bytes: Uint8Array, shape: Shape): readonly AmbiguousField[] {
  const text = new TextDecoder().decode(bytes);
  const found: AmbiguousField[] = [];
  visit(text, { start: skipSpace(text, 0), end: text.length }, shape, [], found);
  return found;
}

/** @throws OverlayerError `InvalidArgument` */
export function refuseAmbiguous(fields: readonly AmbiguousField[], what: string): void {
  const [first] = fields;
  if (first !== undefined) throw ambiguous(first, what);
}

export function ambiguous({ path, reason }: AmbiguousField, what: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Cannot read the ${what}: field ${path.join('.')} ${reason}`, {
    hint: 'two tools could read the document as different images: do not trust its source',
  });
}

/** Its depth is that of the shape. */
function visit(text: string, value: Range, shape: Shape, path: JsonPath, found: AmbiguousField[]): void {
  if (shape === 'value') return;
  if (!(shape instanceof Map)) {
    if (text[value.start] !== '[') return;
    const [item] = shape as readonly [Shape];
    let index = 0;
    for (const member of membersOf(text, value)) visit(text, member.value, item, [...path, index++], found);
    return;
  }
  if (text[value.start] !== '{') return;
  const seen = new Set<string>();
  const reported = new Set<string>();
  for (const member of membersOf(text, value)) {
    const name = nameOf(slice(text, member.name!));
    const known = shape.get(fold(name));
    if (known === undefined) continue;
    const { field, inner } = known;
    // One report for each field bounds the memory.
    if (reported.has(field)) continue;
    const here = [...path, field];
    const reason =
      name !== field ? `is written as "${quoted(name)}"` : seen.has(field) ? 'is there twice' : undefined;
    seen.add(field);
    if (reason === undefined) visit(text, member.value, inner, here, found);
    else {
      reported.add(field);
      found.push({ path: here, reason });
    }
  }
}

function nameOf(inQuotes: string): string {
  return PLAIN.test(inQuotes) ? inQuotes.slice(1, -1) : (JSON.parse(inQuotes) as string);
}
