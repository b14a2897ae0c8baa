import type { TarEntry, TarSink } from '../../tar/types.js';
import { cleanPath } from '../clean-path.js';

/** `./manifest.json`: no member that tells has a longer name. */
const LONGEST_NAME = 15;
/** Of a manifest.json: what is looked at. */
const MAX_KEPT_BYTES = 64 * 1024;

/**
 * Passes an archive on, and sees whether it is one of images, by what its root has: an OCI layout, or the manifest.json
 * of `docker save`. Whoever unpacks such a one as a layer gets a directory of blobs for a root filesystem.
 */
export class ImageWatch implements TarSink {
  readonly #sink: TarSink;
  readonly #names = new Set<string>();
  /** The beginning of manifest.json, while its bytes come. */
  #manifest: Buffer | undefined;
  #isDocker = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  get holdsImages(): boolean {
    return this.#isDocker || (this.#names.has('oci-layout') && this.#names.has('index.json'));
  }

  entry(entry: TarEntry): void {
    if (entry.path.length <= LONGEST_NAME && entry.type === 'file') this.#look(entry);
    this.#sink.entry(entry);
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#manifest !== undefined && this.#manifest.length < MAX_KEPT_BYTES)
      this.#manifest = Buffer.concat([this.#manifest, bytes.subarray(start, end)]).subarray(
        0,
        MAX_KEPT_BYTES,
      );
    this.#sink.data(bytes, start, end, position);
  }

  entryEnd(): void {
    if (this.#manifest !== undefined) {
      this.#isDocker = isDockerManifest(this.#manifest);
      this.#manifest = undefined;
    }
    this.#sink.entryEnd();
  }

  #look({ path }: TarEntry): void {
    const name = cleanPath(path).path;
    if (name === 'manifest.json') this.#manifest = Buffer.alloc(0);
    else if (name === 'oci-layout' || name === 'index.json') this.#names.add(name);
  }
}

/** A web application's manifest.json is an object; that of `docker save` is a list of what has a config and layers. */
function isDockerManifest(beginning: Buffer): boolean {
  return /^\s*\[\s*\{.*"(config|layers)"\s*:/is.test(beginning.toString('latin1'));
}
