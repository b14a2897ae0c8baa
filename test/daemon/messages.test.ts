import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { expect, onTestFinished, test } from 'vitest';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** Our types, by the messages in `proto/` that they describe. */
const TYPES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'content/content-messages': {
    DigestRequest: ['content.v1.InfoRequest', 'content.v1.DeleteContentRequest'],
    InfoResponse: ['content.v1.InfoResponse', 'content.v1.UpdateResponse'],
    UpdateContentRequest: ['content.v1.UpdateRequest'],
    ListContentRequest: ['content.v1.ListContentRequest', 'content.v1.ListStatusesRequest'],
    ListContentResponse: ['content.v1.ListContentResponse'],
    ReadRequest: ['content.v1.ReadContentRequest'],
    ReadResponse: ['content.v1.ReadContentResponse'],
    RefRequest: ['content.v1.StatusRequest', 'content.v1.AbortRequest'],
    StatusResponse: ['content.v1.StatusResponse'],
    ListStatusesResponse: ['content.v1.ListStatusesResponse'],
    WriteRequest: ['content.v1.WriteContentRequest'],
    WriteResponse: ['content.v1.WriteContentResponse'],
  },
  'layers/diff-messages': {
    ApplyRequest: ['diff.v1.ApplyRequest'],
    ApplyResponse: ['diff.v1.ApplyResponse'],
    DiffRequest: ['diff.v1.DiffRequest'],
    DiffResponse: ['diff.v1.DiffResponse'],
  },
  'snapshots/snapshots-messages': {
    SnapshotterRequest: ['snapshots.v1.CleanupRequest'],
    KeyRequest: ['Mounts', 'RemoveSnapshot', 'StatSnapshot', 'Usage'].map(
      (name) => `snapshots.v1.${name}Request`,
    ),
    PrepareRequest: ['snapshots.v1.PrepareSnapshotRequest', 'snapshots.v1.ViewSnapshotRequest'],
    CommitRequest: ['snapshots.v1.CommitSnapshotRequest'],
    UpdateSnapshotRequest: ['snapshots.v1.UpdateSnapshotRequest'],
    ListSnapshotsRequest: ['snapshots.v1.ListSnapshotsRequest'],
    MountsResponse: ['PrepareSnapshot', 'ViewSnapshot', 'Mounts'].map(
      (name) => `snapshots.v1.${name}Response`,
    ),
    StatResponse: ['snapshots.v1.StatSnapshotResponse', 'snapshots.v1.UpdateSnapshotResponse'],
    ListSnapshotsResponse: ['snapshots.v1.ListSnapshotsResponse'],
    UsageResponse: ['snapshots.v1.UsageResponse'],
  },
  messages: {
    ListNamespacesResponse: ['namespaces.v1.ListNamespacesResponse'],
    PluginsResponse: ['introspection.v1.PluginsResponse'],
    VersionResponse: ['version.v1.VersionResponse'],
  },
};

/** Requests that we send, and an answer that we do not read: they have no type here. */
const UNTYPED = [
  'introspection.v1.PluginsRequest',
  'leases.v1.CreateRequest',
  'leases.v1.CreateResponse',
  'namespaces.v1.ListNamespacesRequest',
];

const SCALARS: Readonly<Record<string, string>> = {
  TYPE_STRING: 'string',
  TYPE_BYTES: 'Uint8Array',
  TYPE_BOOL: 'boolean',
  TYPE_INT32: 'number',
  TYPE_INT64: 'number',
};

interface Field {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}
interface Message {
  readonly field: readonly Field[];
  readonly nestedType: readonly (Message & { readonly name: string })[];
}
interface Enumeration {
  readonly value: readonly { readonly name: string }[];
}

const FILES = ['content', 'diff', 'snapshots', 'leases', 'introspection', 'namespaces', 'version'].map(
  (name) => `containerd/services/${name}/v1/${name.replace(/spaces$/, 'space')}.proto`,
);
const definitions = loadSync(FILES, { includeDirs: [join(REPOSITORY, 'src/daemon/proto')] });
const SERVICES = 'containerd.services.';

/** The definition that a field names from within a package. */
function find(name: string, from: string): { readonly name: string; readonly type: object } {
  const scopes = from.split('.').map((_, at, parts) => parts.slice(0, parts.length - at).join('.'));
  const found = [...scopes.map((scope) => `${scope}.${name}`), name].find((full) => full in definitions);
  if (found === undefined) throw new Error(`There is no ${name}, seen from ${from}`);
  return { name: found, type: (definitions[found] as MessageTypeDefinition<object, object>).type };
}

/** A message as a type of TypeScript, by the options that the daemon loads it with. */
function typeOf(message: Message, from: string): string {
  const fields = message.field.map((field) => {
    const nested = message.nestedType.find(({ name }) => name === field.typeName);
    const map = nested?.field.find(({ name }) => name === 'value');
    const one = typeOfValue(map ?? field, from);
    const type =
      map !== undefined
        ? `Readonly<Record<string, ${one}>>`
        : field.label === 'LABEL_REPEATED'
          ? `readonly (${one})[]`
          : one;
    return `readonly ${field.name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())}: ${type};`;
  });
  return `{ ${fields.join(' ')} }`;
}

function typeOfValue({ type, typeName }: Field, from: string): string {
  if (type in SCALARS) return SCALARS[type]!;
  const found = find(typeName, from);
  if (type === 'TYPE_ENUM')
    return (found.type as Enumeration).value.map(({ name }) => `'${name}'`).join(' | ');
  return typeOf(found.type as Message, found.name);
}

/** A message that is not set is null in requests; in answers it is always set. */
const COMPARISON = `
type Plain<T> = T extends Uint8Array ? T
  : T extends readonly (infer E)[] ? readonly Plain<E>[]
  : T extends object ? { readonly [K in keyof T]: Plain<NonNullable<T[K]>> }
  : T;
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends (<T>() => T extends Plain<B> ? 1 : 2) ? true : false;
`;

test('our types of messages have the fields of the .proto files, and no others', () => {
  const lines = [COMPARISON];
  for (const [file, types] of Object.entries(TYPES)) {
    const path = JSON.stringify(join(REPOSITORY, 'src/daemon', `${file}.js`));
    lines.push(`import type { ${Object.keys(types).join(', ')} } from ${path};`);
    for (const [type, messages] of Object.entries(types))
      for (const message of messages) {
        const full = `${SERVICES}${message}`;
        const expected = typeOf(find(full, '').type as Message, full);
        lines.push(
          `export const ${message.replaceAll('.', '_')}: Same<${type}, ${expected}> = true; // ${type}`,
        );
      }
  }
  const directory = makeWorkDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'comparison.ts'), lines.join('\n'));
  const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'ES2023', types: [] };
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['comparison.ts'] }),
  );
  const compiler = join(REPOSITORY, 'node_modules/.bin/tsc');
  const { stdout, error } = spawnSync(compiler, { cwd: directory, encoding: 'utf8' });
  expect(error).toBeUndefined();
  expect(stdout).toBe('');
});

test('every message of the services has a type', () => {
  const named = Object.keys(definitions)
    .filter((name) => /(Request|Response)$/.test(name))
    .map((name) => name.slice(SERVICES.length));
  const typed = Object.values(TYPES).flatMap((types) => Object.values(types).flat());
  expect([...typed, ...UNTYPED].sort()).toEqual(named.sort());
});
