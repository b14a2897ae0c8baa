import * as v from 'valibot';
import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';

/** Most bytes of a document: containerd's bound for documents in archives (core/images/archive, CVE-2023-25153). */
export const MAX_DOCUMENT_BYTES = 20 * 1024 ** 2;
/** Most bytes of a registry's manifest or index: the size that every registry must accept (OCI distribution spec). */
export const MAX_REGISTRY_MANIFEST_BYTES = 4 * 1024 ** 2;

/** Most characters of a quotation in an error. */
const MAX_QUOTED = 200;

/**
 * Parses JSON in UTF-8. Invalid bytes in a string become U+FFFD, as in Go (encoding/json).
 *
 * @param what names the document in errors: `manifest`
 * @throws OverlayerError `InvalidArgument`; `ResourceExhausted` past `MAX_DOCUMENT_BYTES`
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the ${what}: ${bytes.length} bytes, of ${MAX_DOCUMENT_BYTES} at most`,
    );
  try {
    return JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new OverlayerError('InvalidArgument', `Cannot read the ${what}: it is not JSON`, { cause });
  }
}

/** @throws OverlayerError as `parseJson` */
export function parseObject(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  const value = parseJson(bytes, what);
  if (isObject(value)) return value;
  throw new OverlayerError('InvalidArgument', `Cannot read the ${what}: it is not a JSON object`);
}

/** @throws OverlayerError `InvalidArgument`: names the first invalid field; `Unimplemented` as `parseDigest` */
export function checkFields<const Schema extends v.GenericSchema>(
  value: unknown,
  schema: Schema,
  what: string,
): v.InferOutput<Schema> {
  const result = check(value, schema, what);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) ?? '';
  throw new OverlayerError(
    'InvalidArgument',
    `Cannot read the ${what}: ${field === '' ? '' : `field ${quoted(field)}: `}${quoted(sayIssue(issue))}`,
  );
}

function check<const Schema extends v.GenericSchema>(value: unknown, schema: Schema, what: string) {
  try {
    return v.safeParse(schema, value, { abortEarly: true });
  } catch (cause) {
    if (!OverlayerError.is(cause)) throw cause;
    const { code, message, hint } = cause;
    throw new OverlayerError(code, `Cannot read the ${what}: ${message}`, { hint, cause });
  }
}

// The rule for fields: a field that the task needs must be valid, and an error names it. `maybe` and `list` read null
// as absent, as Go does. `lenient` and `readFields` are for fields that the task does not need.

/** An optional field. */
export function maybe<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, v.InferOutput<Schema> | undefined> {
  return v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );
}

/** A list. An absent list is empty. */
export function list<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, readonly v.InferOutput<Schema>[]> {
  return v.nullish(v.array(schema), []);
}

/** A field that is not needed. An invalid value counts as absent. */
export function lenient<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, v.InferOutput<Schema> | undefined> {
  return v.fallback(maybe(schema), undefined);
}

/** A string. Null is the empty string. */
export const TextSchema = v.pipe(
  v.nullable(v.string()),
  v.transform((text) => text ?? ''),
);

/** Values by name. */
export function record<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, Readonly<Record<string, v.InferOutput<Schema>>>> {
  return v.pipe(v.custom<object>(isObject, 'it is not an object'), v.record(v.string(), schema));
}

/** An invalid field, and the reason. */
export interface UnreadField {
  readonly field: string;
  readonly reason: string;
}

/** Reads each field of an object separately. Invalid fields are absent and reported. */
export function readFields<const Fields extends Readonly<Record<string, v.GenericSchema>>>(
  value: unknown,
  fields: Fields,
  path: string,
): {
  readonly found: { readonly [Name in keyof Fields]?: v.InferOutput<Fields[Name]> };
  readonly unread: readonly UnreadField[];
} {
  const found: { [name: string]: unknown } = {};
  const unread: UnreadField[] = [];
  const object = isObject(value) ? value : {};
  if (!isObject(value ?? {})) unread.push({ field: path, reason: 'it is not an object' });
  for (const [name, schema] of Object.entries(fields)) {
    const result = v.safeParse(schema, object[name], { abortEarly: true });
    if (result.success) found[name] = result.output;
    else {
      const [issue] = result.issues;
      const inside = v.getDotPath(issue);
      const field = [path, name, ...(inside === null ? [] : [inside])].join('.');
      unread.push({ field: quoted(field), reason: quoted(sayIssue(issue)) });
    }
  }
  return { found: found as { [Name in keyof Fields]?: v.InferOutput<Fields[Name]> }, unread };
}

/** Lists are objects in JavaScript, but not in JSON. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Words an issue in the terms of the specification instead of the validator's. */
function sayIssue(issue: v.BaseIssue<unknown>): string {
  if (issue.kind !== 'schema' || issue.type === 'custom' || issue.expected === null) return issue.message;
  const wanted = WANTED[issue.expected] ?? issue.expected;
  return issue.received === 'undefined' ? 'it is missing' : `it is ${issue.received}, not ${wanted}`;
}

const WANTED: Readonly<Record<string, string>> = {
  Array: 'a list',
  Object: 'an object',
  string: 'a text',
  number: 'a number',
};

/** Shortens and escapes a string of a hostile document for an error. */
export function quoted(text: string): string {
  return displayPath(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
