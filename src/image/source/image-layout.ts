import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { descriptorPath } from '../../base/descriptor-path.js';
import { OverlayerError } from '../../base/errors.js';
import { fromSystemError } from '../../system/errno-code.js';
import { hasProc, procMissing } from '../../system/own-proc.js';
import { asSystemError, isErrno, O } from '../../system/system.js';
import type { ImageSource, OpenImagesOptions } from './image-source.js';
import { LocalImageSource, readingImages } from './local-image-source.js';
import { LAYOUT_FILE, type LocalFile, readLayout } from './local-images.js';

/** See `openImageLayout`. */
export async function readImageLayout(
  directory: string,
  { names, signal }: OpenImagesOptions,
): Promise<ImageSource> {
  signal?.throwIfAborted();
  const files = new LayoutDirectory(directory);
  try {
    const stored = await readingImages(directory, async () => {
      if (files.find(LAYOUT_FILE) === undefined) throw notALayout(directory);
      return await readLayout((name) => files.find(name));
    });
    return await LocalImageSource.open(directory, stored, names, async () => files.close());
  } catch (error) {
    files.close();
    throw error;
  }
}

function notALayout(directory: string): OverlayerError {
  const known = knownDirectory((name) => existsSync(join(directory, name)));
  const what = known === undefined ? '' : `: it is ${known.what}`;
  return new OverlayerError('InvalidArgument', `Not an OCI layout, which has a file ${LAYOUT_FILE}${what}`, {
    hint: known?.hint,
  });
}

/** <sys/fcntl.h> of macOS 10.15: no part of the path may be a symlink. */
const O_NOFOLLOW_ANY = 0x20000000;
const { O_DIRECTORY, O_NOFOLLOW = 0, O_RDONLY } = constants;
const IS_LINUX = process.platform === 'linux';

/**
 * The files below a directory. No symlink is followed to any of them, so nothing outside is ever read. All calls are those
 * of node:fs, because layouts are also read where koffi is absent.
 *
 * On Linux each name is resolved from the descriptor of the directory above it, and a file is read through its descriptor:
 * it stays the same file. Elsewhere a path can't begin at a descriptor. macOS refuses symlinks itself when the file is
 * opened; on Windows a program that changes the layout at the same moment could pass the check.
 */
class LayoutDirectory {
  readonly #path: string;
  readonly #realPath: string;
  /** Undefined except on Linux. */
  readonly #root: number | undefined;
  readonly #files = new Map<string, LocalFile & { readonly descriptor: number }>();

  /** @throws OverlayerError `NotFound`, `PermissionDenied`, `InvalidArgument` */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#realPath = realpathSync(path);
      if (!lstatSync(this.#realPath).isDirectory()) throw notADirectory(path);
      this.#root = IS_LINUX ? openSync(this.#realPath, O.PATH | O_DIRECTORY) : undefined;
    } catch (cause) {
      if (OverlayerError.is(cause)) throw cause;
      const error = asSystemError(cause, path);
      if (isErrno(error, 'ENOENT'))
        throw new OverlayerError('NotFound', `Image layout "${path}" does not exist`, { cause });
      if (isErrno(error, 'ENOTDIR')) throw notADirectory(path, cause);
      throw this.#failure(error);
    }
  }

  /** @throws OverlayerError `InvalidArgument` for a symlink, or anything else that is no file */
  find(name: string): LocalFile | undefined {
    const found = this.#files.get(name);
    if (found !== undefined) return found;
    try {
      const parts = name.split('/');
      const descriptor =
        this.#root === undefined ? this.#openPath(parts) : this.#openBelow(this.#root, parts);
      const length = fstatSync(descriptor).size;
      const path = descriptorPath(descriptor, join(this.#realPath, name));
      const file = { descriptor, bytes: { path, offset: 0, length } };
      this.#files.set(name, file);
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw this.#failure(error);
      if (IS_LINUX && !hasProc()) throw procMissing(`Cannot read image layout "${this.#path}"`);
      return undefined;
    }
  }

  close(): void {
    for (const { descriptor } of this.#files.values()) closeSync(descriptor);
    this.#files.clear();
    if (this.#root !== undefined) closeSync(this.#root);
  }

  #openBelow(directory: number, [name = '', ...rest]: readonly string[]): number {
    // O_PATH only names the file: it opens neither a device nor a FIFO.
    const descriptor = openSync(`${descriptorPath(directory, '')}/${name}`, O.PATH | O_NOFOLLOW);
    try {
      const isFile = rest.length === 0;
      checkType(fstatSync(descriptor), name, isFile ? 'file' : 'directory');
      return isFile ? openSync(descriptorPath(descriptor, name), 'r') : this.#openBelow(descriptor, rest);
    } finally {
      closeSync(descriptor);
    }
  }

  #openPath(parts: readonly string[]): number {
    let path = this.#realPath;
    for (const [at, name] of parts.entries()) {
      path = join(path, name);
      checkType(lstatSync(path), name, at === parts.length - 1 ? 'file' : 'directory');
    }
    return openSync(path, O_RDONLY | (process.platform === 'darwin' ? O_NOFOLLOW_ANY : O_NOFOLLOW));
  }

  #failure(error: unknown): OverlayerError {
    if (OverlayerError.is(error)) return error;
    return fromSystemError(asSystemError(error, this.#path), `Cannot read image layout "${this.#path}"`);
  }
}

function notADirectory(path: string, cause?: unknown): OverlayerError {
  return new OverlayerError('InvalidArgument', `Image layout "${path}" is not a directory`, { cause });
}

function checkType(stat: Stats, name: string, wanted: 'file' | 'directory'): void {
  if (wanted === 'file' ? stat.isFile() : stat.isDirectory()) return;
  throw new OverlayerError(
    'InvalidArgument',
    `"${name}" is not a ${wanted}`,
    stat.isSymbolicLink() ? { hint: 'symlinks are not followed: copy the layout with cp -rL' } : {},
  );
}

interface KnownDirectory {
  /** The directory has all of these. */
  readonly names: readonly string[];
  readonly what: string;
  readonly hint: string;
}

/** Directories that users mistake for an OCI layout, the most specific first. */
const KNOWN: readonly KnownDirectory[] = [
  {
    names: ['version', 'manifest.json'],
    what: "a directory of skopeo's transport dir:",
    hint: 'make an OCI layout of it: skopeo copy dir:DIRECTORY oci:LAYOUT:NAME',
  },
  {
    names: ['manifest.json'],
    what: 'what docker save writes, unpacked',
    hint: 'pack it again: tar -C DIRECTORY -cf image.tar .',
  },
  {
    names: ['index.json'],
    what: 'an OCI layout without its file oci-layout',
    hint: 'it is not whole: write it again',
  },
  {
    names: ['io.containerd.content.v1.content'],
    what: 'the root of a containerd',
    hint: 'export the image: ctr images export image.tar NAME',
  },
  {
    names: ['image', 'overlay2'],
    what: 'the root of a docker',
    hint: 'save the image: docker save NAME | overlayer import -',
  },
  {
    names: ['diff', 'link'],
    what: 'a layer in the root of a docker or podman',
    hint: 'save the image: docker save NAME | overlayer import -',
  },
  {
    names: ['storage.lock', 'overlay-images'],
    what: 'the root of a podman',
    hint: 'save the image: podman save --format oci-archive NAME | overlayer import -',
  },
  {
    names: ['content', 'metadata.db', 'snapshots'],
    what: 'the root of an overlayer',
    hint: 'commands on its images take it by --root',
  },
  {
    names: ['config.json', 'rootfs'],
    what: 'a bundle for a runtime',
    hint: 'make a layer of its root filesystem: overlayer diff EMPTY DIRECTORY/rootfs -o layer.tar.gz',
  },
  {
    names: ['etc', 'usr'],
    what: 'a root filesystem',
    hint: 'make a layer of it: overlayer diff EMPTY DIRECTORY -o layer.tar.gz',
  },
];

/** Identifies a directory that is not an OCI layout. */
function knownDirectory(has: (name: string) => boolean): Pick<KnownDirectory, 'what' | 'hint'> | undefined {
  return KNOWN.find(({ names }) => names.every(has));
}
