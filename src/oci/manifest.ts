import type { Descriptor } from './descriptor.js';

/** OCI image spec, manifest.md; Docker's schema 2 has the same form. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** OCI image spec, image-index.md; Docker's manifest list has the same form. */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}
