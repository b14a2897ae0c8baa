import * as v from 'valibot';
import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';

/** Of any document; containerd's bound for those in archives (core/images/archive, CVE-2023-25153). */
export const MAX_DOCUMENT_BYTES = 20 * 1024 ** 2;
/** Of a manifest or an index that a registry sends: as much as every registry has to take (OCI distribution spec). */
export const MAX_REGISTRY_MANIFEST_BYTES = 4 * 1024 ** 2;

/** Of what an error quotes. */
const MAX_QUOTED = 200;

/**
 * JSON in UTF-8.
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
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new OverlayerError('InvalidArgument', `Cannot read the ${what}: it is not JSON`, { cause });
  }
}

/** @throws OverlayerError as `parseJson` */
export function parseObject(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  const value = parseJson(bytes, what);
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new OverlayerError('InvalidArgument', `Cannot read the ${what}: it is no JSON object`);
}

/** @throws OverlayerError `InvalidArgument` that names the first field at fault */
export function checkFields<const Schema extends v.GenericSchema>(
  value: unknown,
  schema: Schema,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) ?? '';
  throw new OverlayerError(
    'InvalidArgument',
    `Cannot read the ${what}: ${field === '' ? '' : `field ${quoted(field)}: `}${quoted(issue.message)}`,
  );
}

/** An optional field. Writers in Go spell an absent one as null. */
export function maybe<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, v.InferOutput<Schema> | undefined> {
  return v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  ) as v.GenericSchema<unknown, v.InferOutput<Schema> | undefined>;
}

/** A list, which writers in Go spell as null when it is empty. */
export function list<const Schema extends v.GenericSchema>(
  schema: Schema,
): v.GenericSchema<unknown, readonly v.InferOutput<Schema>[]> {
  return v.pipe(
    v.nullable(v.array(schema)),
    v.transform((items) => items ?? []),
  ) as v.GenericSchema<unknown, readonly v.InferOutput<Schema>[]>;
}

/** What a hostile document says, so that it can stand in an error. */
export function quoted(text: string): string {
  return displayPath(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
