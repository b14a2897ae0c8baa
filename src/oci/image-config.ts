import * as v from 'valibot';
import { DigestSchema } from './descriptor.js';
import type { DiffID } from './digest.js';
import { checkFields, list, maybe, parseObject } from './document.js';
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
}

const StringsSchema = maybe(v.array(v.string()));
/** A set, as JSON without sets spells it: `{"/data": {}}`. */
const NamesSchema = maybe(v.record(v.string(), v.unknown()));

const ConfigSchema = v.object({
  created: maybe(v.pipe(v.string(), v.isoTimestamp())),
  config: maybe(
    v.object({
      User: maybe(v.string()),
      Env: StringsSchema,
      Entrypoint: StringsSchema,
      Cmd: StringsSchema,
      WorkingDir: maybe(v.string()),
      Labels: maybe(v.record(v.string(), v.string())),
      StopSignal: maybe(v.string()),
      Volumes: NamesSchema,
      ExposedPorts: NamesSchema,
    }),
  ),
  // containerd takes an empty type for the only one there is.
  rootfs: v.object({ type: maybe(v.picklist(['layers', ''])), diff_ids: list(DigestSchema) }),
});

/** @throws OverlayerError as `parseManifest` does */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseObject(bytes, 'config');
  const platform = checkFields(document, PlatformSchema, 'config');
  const { created, config, rootfs } = checkFields(document, ConfigSchema, 'config');
  return {
    platform,
    diffIDs: rootfs.diff_ids,
    createdAt: created,
    process: {
      user: config?.User ?? '',
      env: config?.Env ?? [],
      entrypoint: config?.Entrypoint ?? [],
      cmd: config?.Cmd ?? [],
      workingDir: config?.WorkingDir ?? '',
      labels: config?.Labels ?? {},
      stopSignal: config?.StopSignal,
      volumes: Object.keys(config?.Volumes ?? {}),
      exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    },
  };
}
