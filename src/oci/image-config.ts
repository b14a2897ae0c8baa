import * as v from 'valibot';
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

/** What an image's config says (OCI image spec, config.md), as far as a layer engine and a runtime bundle need it. */
export interface ImageConfig {
  readonly platform: Platform;
  /** Of the layers, the lowest first. */
  readonly diffIDs: readonly DiffID[];
  /** As RFC 3339 spells a time. */
  readonly createdAt: string | undefined;
  /** How a container is to be run. */
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
  /** What of `process` is not as it has to be, and so is absent there: layers do without, a bundle does not. @default none */
  readonly unread?: readonly UnreadField[] | undefined;
}

const StringsSchema = list(TextSchema);
/** A set, as JSON without sets spells it: `{"/data": {}}`. */
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

const ConfigSchema = v.object({
  created: lenient(v.pipe(v.string(), v.isoTimestamp())),
  // containerd takes an empty type for the only one there is.
  rootfs: v.object({ type: maybe(v.picklist(['layers', ''])), diff_ids: list(DigestSchema) }),
});

/** @throws OverlayerError as `parseManifest` does */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseObject(bytes, 'config');
  const platform = checkFields(document, PlatformSchema, 'config');
  const { created, rootfs } = checkFields(document, ConfigSchema, 'config');
  const { found, unread } = readFields(document['config'], PROCESS_FIELDS, 'config');
  return {
    platform,
    diffIDs: rootfs.diff_ids,
    createdAt: created,
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
