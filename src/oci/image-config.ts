import * as v from 'valibot';
import {
  type AmbiguousField,
  findAmbiguous,
  namesShape,
  objectShape,
  refuseAmbiguous,
} from './ambiguous-fields.js';
import { DigestSchema } from './descriptor.js';
import type { DiffID } from './digest.js';
import {
  checkFields,
  lenient,
  list,
  maybe,
  parseObject,
  readFields,
  record,
  TextSchema,
  type UnreadField,
} from './document.js';
import type { Platform } from './platform.js';
import { PlatformSchema } from './platform-schema.js';

/** A step by which an image was made (OCI image spec, config.md "history"). */
export interface HistoryEntry {
  /** A time in the format of RFC 3339. */
  readonly created?: string | undefined;
  /** The command that made the layer. */
  readonly createdBy?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  /** The step made no layer. @default false */
  readonly emptyLayer?: boolean | undefined;
}

/** An image's config (OCI image spec, config.md). */
export interface ImageConfig {
  readonly platform: Platform;
  /** The diffIDs of the layers, lowest first. */
  readonly diffIDs: readonly DiffID[];
  /** A time in the format of RFC 3339. */
  readonly createdAt: string | undefined;
  /** The person or entity that is responsible for the image. */
  readonly author?: string | undefined;
  /** How the image was made, the first step first. Each entry but those with `emptyLayer` stands for a layer. */
  readonly history?: readonly HistoryEntry[] | undefined;
  /** The JSON that it was read from, with all other fields. `Store.createImage` changes only what it has to in it. */
  readonly text?: string | undefined;
  /** Defaults for the process of a container. */
  readonly process: {
    readonly user: string;
    readonly env: readonly string[];
    readonly entrypoint: readonly string[];
    readonly cmd: readonly string[];
    readonly workingDir: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly stopSignal: string | undefined;
    readonly volumes: readonly string[];
    readonly exposedPorts: readonly string[];
  };
  /** Invalid fields of `process`, which are absent there. Layers do not need them; a bundle is refused. @default none */
  readonly unread?: readonly UnreadField[] | undefined;
}

const StringsSchema = list(TextSchema);
/** A set, written as an object with empty values: `{"/data": {}}`. */
const NamesSchema = maybe(record(v.unknown()));

const PROCESS_FIELDS = {
  User: maybe(v.string()),
  Env: StringsSchema,
  Entrypoint: StringsSchema,
  Cmd: StringsSchema,
  WorkingDir: maybe(v.string()),
  Labels: maybe(record(TextSchema)),
  StopSignal: maybe(v.string()),
  Volumes: NamesSchema,
  ExposedPorts: NamesSchema,
} as const;

const HistorySchema = v.pipe(
  v.object({
    created: lenient(v.string()),
    created_by: lenient(v.string()),
    author: lenient(v.string()),
    comment: lenient(v.string()),
    empty_layer: lenient(v.boolean()),
  }),
  v.transform(
    ({ created_by: createdBy, empty_layer: emptyLayer, ...rest }): HistoryEntry => ({
      ...rest,
      createdBy,
      emptyLayer: emptyLayer ?? false,
    }),
  ),
);

const ConfigSchema = v.object({
  created: lenient(v.pipe(v.string(), v.isoTimestamp())),
  author: lenient(v.string()),
  history: lenient(v.array(v.fallback(HistorySchema, { emptyLayer: false }))),
  // containerd reads an empty type as the only valid one.
  rootfs: v.object({ type: maybe(v.picklist(['layers', ''])), diff_ids: list(DigestSchema) }),
});

/** The fields that decide what is unpacked and run. */
const CONFIG_SHAPE = objectShape({
  os: 'value',
  architecture: 'value',
  variant: 'value',
  rootfs: namesShape(['type', 'diff_ids']),
  config: namesShape(Object.keys(PROCESS_FIELDS)),
});

/** @throws OverlayerError as `parseManifest` does */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseObject(bytes, 'config');
  const odd = findAmbiguous(bytes, CONFIG_SHAPE);
  refuseAmbiguous(
    odd.filter(({ path }) => path[0] !== 'config'),
    'config',
  );
  const platform = checkFields(document, PlatformSchema, 'config');
  const { created, author, history, rootfs } = checkFields(document, ConfigSchema, 'config');
  const oddOfProcess = odd.filter(({ path }) => path[0] === 'config');
  const defaults = withoutFields(document['config'], oddOfProcess);
  const { found, unread: invalid } = readFields(defaults, PROCESS_FIELDS, 'config');
  const unread = [
    ...invalid,
    ...oddOfProcess.map(({ path, reason }) => ({ field: path.join('.'), reason: `it ${reason}` })),
  ];
  return {
    platform,
    diffIDs: rootfs.diff_ids,
    createdAt: created,
    author,
    history: history ?? [],
    text: new TextDecoder().decode(bytes),
    process: {
      user: found.User ?? '',
      env: (found.Env ?? []).filter((entry) => entry !== ''),
      entrypoint: found.Entrypoint ?? [],
      cmd: found.Cmd ?? [],
      workingDir: found.WorkingDir ?? '',
      labels: found.Labels ?? {},
      stopSignal: found.StopSignal,
      volumes: Object.keys(found.Volumes ?? {}),
      exposedPorts: Object.keys(found.ExposedPorts ?? {}),
    },
    ...(unread.length === 0 ? {} : { unread }),
  };
}

/** @param fields in `value`, or `value` itself */
function withoutFields(value: unknown, fields: readonly AmbiguousField[]): unknown {
  if (fields.some(({ path }) => path.length === 1)) return undefined;
  if (fields.length === 0) return value;
  const names = fields.map(({ path }) => path[1]);
  return Object.fromEntries(Object.entries(Object(value)).filter(([name]) => !names.includes(name)));
}
