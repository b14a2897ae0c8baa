import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { OverlayerError } from '../../../base/errors.js';
import { checkFields, maybe } from '../../../oci/document.js';

/** One server of a `hosts.toml`, with the fields that a pull or a push needs. */
export interface HostEntry {
  /** URL of the API; undefined means that of the registry. */
  readonly url: URL | undefined;
  readonly canPull: boolean;
  readonly canResolve: boolean;
  /** Undefined when the entry lists no capabilities. */
  readonly canPush: boolean | undefined;
  /** Paths of files. */
  readonly ca: readonly string[];
  /** Paths of a certificate, and of its key. */
  readonly clients: readonly (readonly [certificate: string, key: string])[];
  readonly skipVerify: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

const TextsSchema = maybe(v.union([v.string(), v.array(v.string())]));
const HostSchema = v.object({
  capabilities: maybe(v.array(v.string())),
  ca: TextsSchema,
  client: maybe(
    v.union([v.string(), v.array(v.union([v.string(), v.strictTuple([v.string(), v.string()])]))]),
  ),
  skip_verify: maybe(v.boolean()),
  override_path: maybe(v.boolean()),
  header: maybe(v.record(v.string(), v.union([v.string(), v.array(v.string())]))),
});
const FileSchema = v.object({
  ...HostSchema.entries,
  server: maybe(v.string()),
  host: maybe(v.record(v.string(), HostSchema)),
});

/** RFC 9110, 5.1 and 5.5. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Reads a `hosts.toml` (containerd, docs/hosts.md): the mirrors in their order, and the server that is asked last. Other
 * fields than those of `HostEntry` are ignored.
 *
 * @throws OverlayerError `InvalidArgument` that names the file and the field
 */
export async function parseHostsFile(text: string, path: string): Promise<readonly HostEntry[]> {
  const { parse } = await import('smol-toml');
  const wrong = (why: string, cause?: unknown) =>
    new OverlayerError('InvalidArgument', `Cannot read "${path}": ${why}`, { cause });
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw wrong((cause as Error).message.split('\n', 1)[0]!, cause);
  }
  const { server, host = {}, ...own } = checkFields(document, FileSchema, `file "${path}"`);
  const read = (url: string | undefined, fields: v.InferOutput<typeof HostSchema>) =>
    hostEntry(url, fields, dirname(path), wrong);
  return [...Object.entries(host).map(([url, fields]) => read(url, fields)), read(server, own)];
}

function hostEntry(
  text: string | undefined,
  fields: v.InferOutput<typeof HostSchema>,
  directory: string,
  wrong: (why: string) => OverlayerError,
): HostEntry {
  const { capabilities = [], ca = [], client = [], skip_verify = false, override_path = false } = fields;
  const can = (capability: string) =>
    capabilities.length === 0 || capabilities.some((name) => name.toLowerCase() === capability);
  const path = (name: string) => resolve(directory, name);
  const headers = Object.entries(fields.header ?? {}).map(([name, value]) => {
    const joined = [value].flat().join(', ');
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(joined)) throw wrong(`"${name}" can be no header`);
    return [name.toLowerCase(), joined] as const;
  });
  return {
    url: text === undefined || text === '' ? undefined : apiURL(text, override_path, wrong),
    canPull: can('pull'),
    canResolve: can('resolve'),
    canPush: capabilities.length === 0 ? undefined : can('push'),
    ca: [ca].flat().map(path),
    clients: (typeof client === 'string' ? [client] : client).map((pair) => {
      const [certificate, key = ''] = typeof pair === 'string' ? [pair] : pair;
      // One file may hold both.
      return [path(certificate), path(key || certificate)];
    }),
    skipVerify: skip_verify,
    headers: Object.fromEntries(headers),
  };
}

function apiURL(text: string, isWhole: boolean, wrong: (why: string) => OverlayerError): URL {
  const whole = text.includes('://') ? text : `https://${text}`;
  if (!URL.canParse(whole)) throw wrong(`"${text}" is no URL`);
  const url = new URL(whole);
  if (!['https:', 'http:'].includes(url.protocol)) throw wrong(`"${text}" is neither https nor http`);
  if (url.username !== '' || url.password !== '')
    throw wrong(`"${url.host}" has credentials, which have no place there`);
  // The API of Docker Hub has another host name.
  if (url.host === 'docker.io') url.host = 'registry-1.docker.io';
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = isWhole || path.endsWith('/v2') ? path : `${path}/v2`;
  return url;
}
