import type { DiffID } from './digest.js';
import type { Platform } from './platform.js';

/** What an image's config says (OCI image spec, config.md), as far as a layer engine and a runtime bundle need it. */
export interface ImageConfig {
  readonly platform: Platform;
  /** Of the layers, the lowest first. */
  readonly diffIDs: readonly DiffID[];
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
