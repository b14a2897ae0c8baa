import type { TarEntry, TarSink } from '../../tar/types.js';
import { cleanPath } from '../plan/clean-path.js';

/** Of a manifest.json: what is looked at. */
const MAX_KEPT_BYTES = 64 * 1024;

/** What makes an archive one of images. */
type Marker = 'oci-layout' | 'index.json' | 'manifest.json';

/**
 * Passes an archive on, and sees whether it is one of images, by what its root has: an OCI layout, or the manifest.json
 * of `docker save`. Whoever unpacks such a one as a layer gets a directory of blobs for a root filesystem. The same goes
 * for one that was packed with the directory that it is in.
 */
export class ImageWatch implements TarSink {
  readonly #sink: TarSink;
  /** With a slash: the directory that all entries are in so far; '' when they are in several, undefined before the first. */
  #top: string | undefined;
  /** By the directories that they are in, as far as those may be the archive's root. */
  readonly #markers = new Set<`${string}${Marker}`>();
  /** The beginning of a manifest.json while its bytes come, and its name. */
  #manifest: { readonly path: `${string}manifest.json`; bytes: Buffer } | undefined;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  get holdsImages(): boolean {
    const holds = (root: string) =>
      this.#markers.has(`${root}manifest.json`) ||
      (this.#markers.has(`${root}oci-layout`) && this.#markers.has(`${root}index.json`));
    return holds('') || holds(this.#top ?? '');
  }

  entry(entry: TarEntry): void {
    const { path } = entry;
    if (this.#top !== '' && !path.startsWith(this.#top ?? '/')) this.#seeTop(topOf(entry));
    if (entry.type === 'file' && (path.endsWith('.json') || path.endsWith('oci-layout'))) this.#look(path);
    this.#sink.entry(entry);
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    const manifest = this.#manifest;
    if (manifest !== undefined && manifest.bytes.length < MAX_KEPT_BYTES)
      manifest.bytes = Buffer.concat([manifest.bytes, bytes.subarray(start, end)]).subarray(
        0,
        MAX_KEPT_BYTES,
      );
    this.#sink.data(bytes, start, end, position);
  }

  entryEnd(): void {
    if (this.#manifest !== undefined) {
      if (isDockerManifest(this.#manifest.bytes)) this.#markers.add(this.#manifest.path);
      this.#manifest = undefined;
    }
    this.#sink.entryEnd();
  }

  #seeTop(top: string | undefined): void {
    if (top !== undefined && top !== this.#top) this.#top = this.#top === undefined ? top : '';
  }

  #look(name: string): void {
    const { path } = cleanPath(name);
    for (const root of ['', this.#top ?? '']) {
      if (path === `${root}manifest.json`)
        this.#manifest = { path: `${root}manifest.json`, bytes: Buffer.alloc(0) };
      else if (path === `${root}oci-layout`) this.#markers.add(`${root}oci-layout`);
      else if (path === `${root}index.json`) this.#markers.add(`${root}index.json`);
    }
  }
}

/** '' for what is in the root itself; undefined for the root. */
function topOf({ path: name, type }: TarEntry): string | undefined {
  const { path } = cleanPath(name);
  if (path === '') return undefined;
  const slash = path.indexOf('/');
  if (slash >= 0) return path.slice(0, slash + 1);
  return type === 'directory' ? `${path}/` : '';
}

/** A web application's manifest.json is an object; that of `docker save` is a list of what has a config and layers. */
function isDockerManifest(beginning: Buffer): boolean {
  return /^\s*\[\s*\{.*"(config|layers)"\s*:/is.test(beginning.toString('latin1'));
}
