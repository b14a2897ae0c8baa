import {
  type ByteSource,
  detectSource,
  detectStream,
  type ImageSource,
  type LayerSource,
  type OpenRegistryOptions,
  OverlayerError,
  openImageArchive,
  openImageLayout,
  openRegistry,
} from '../index.js';
import { LAYER_DIGESTS, ONLY_FOR, type OpenImageFlags } from './flags/layer-flags.js';
import { registryOptions } from './options.js';
import { statIfReadable } from './stat-if-readable.js';

const REGISTRY = 'docker://';
/** `debian:12`, `example.org/app@sha256:…`: few files have such names. */
const LIKE_REFERENCE = /^[a-z0-9][\w./-]*(?::[\w.-]+|@sha256:[0-9a-f]{64})$/;

/**
 * A layer as the command line names it: a file, or `-` for standard input.
 * @throws OverlayerError `InvalidArgument` for a URL, and where standard input is a terminal
 */
export function openLayer(argument: string): {
  readonly source: string | NodeJS.ReadStream;
  readonly name: string;
} {
  if (/^https?:\/\//i.test(argument))
    throw new OverlayerError('InvalidArgument', `Cannot open "${argument}": it is not a file`, {
      hint: 'download it to standard input (curl -L URL | overlayer …), and write - in place of the URL',
    });
  if (argument !== '-') return { source: argument, name: argument };
  if (process.stdin.isTTY)
    throw new OverlayerError('InvalidArgument', 'Standard input is a terminal', {
      hint: 'pipe a layer into it',
    });
  return { source: process.stdin, name: 'standard input' };
}

/** An open standard input would keep the process alive after a failure. */
export function closeLayer(source: LayerSource): void {
  // A path is compared with nothing: Node takes 1 ms to make the stream of standard input.
  if (typeof source !== 'string' && source === process.stdin) process.stdin.destroy();
}

/** The input of a command that reads a layer or an image. */
export interface Input {
  /** Undefined for a file that cannot be read: the reader reports why. */
  readonly kind: 'layer' | 'image' | undefined;
  /** A path or a reference, or the bytes of standard input. */
  readonly source: string | ByteSource;
  readonly name: string;
  close(): void;
}

interface OpenInputOptions {
  /** The command unpacks a small file as a layer, and begins again when that has images. @default false */
  readonly tryAsLayer?: boolean;
}

/** The content of a larger file is detected first: that takes less than to begin again. */
const MAX_TRIED_BYTES = 1024 * 1024;

/**
 * Finds out by content whether the input is a layer or an image.
 *
 * @param given the options on the command line
 * @throws OverlayerError as `openLayer`
 */
export async function openInput(
  argument: string,
  given: readonly string[],
  { tryAsLayer = false }: OpenInputOptions = {},
): Promise<Input> {
  const { source, name } = openLayer(argument);
  const close = () => closeLayer(source);
  const isLayer = given.some((option) => LAYER_DIGESTS.includes(option));
  const isTried =
    tryAsLayer && !given.some((option) => ONLY_FOR.image.includes(option)) && mayBeTried(argument);
  if (isTried) return { kind: undefined, source, name, close };
  if (typeof source === 'string') return { kind: await kindOf(source, isLayer), source, name, close };
  if (isLayer) return { kind: 'layer', source, name, close };
  const { kind, bytes } = await detectStream(source);
  return { kind: kind === undefined ? 'layer' : 'image', source: bytes, name, close };
}

async function kindOf(path: string, isLayer: boolean): Promise<Input['kind']> {
  if (path.startsWith(REGISTRY)) return 'image';
  if (isDirectory(path)) return 'image';
  if (isLayer) return 'layer';
  try {
    return (await detectSource(path)) === undefined ? 'layer' : 'image';
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    if (error.code === 'NotFound' && LIKE_REFERENCE.test(path))
      throw new OverlayerError('NotFound', `File "${path}" does not exist`, {
        hint: `an image of a registry is docker://${path}`,
        cause: error,
      });
    return undefined;
  }
}

function mayBeTried(path: string): boolean {
  const stat = statIfReadable(path);
  return stat?.isFile() === true && stat.size <= MAX_TRIED_BYTES;
}

function isDirectory(path: string): boolean {
  return statIfReadable(path)?.isDirectory() ?? false;
}

/** @throws OverlayerError `InvalidArgument` for an option that has no meaning for such an input */
export function checkOptions({ kind, name }: Pick<Input, 'kind' | 'name'>, given: readonly string[]): void {
  if (kind === undefined) return;
  const other = kind === 'image' ? 'layer' : 'image';
  const options = given.filter((option) => ONLY_FOR[other].includes(option)).join(', ');
  if (options === '') return;
  throw new OverlayerError('InvalidArgument', `Only ${other}s take ${options}: "${name}" is no ${other}`);
}

interface OpenImageOptions extends OpenImageFlags, Pick<OpenRegistryOptions, 'onNotice'> {
  /** The directory for large blobs of an input that can be read only once. */
  readonly scratch: string;
}

/** A whole image: of a registry, a layout, an archive, or standard input. */
export async function openImage({ source }: Input, options: OpenImageOptions): Promise<ImageSource> {
  const { onNotice, scratch, image } = options;
  const names = image === undefined ? undefined : [image];
  if (typeof source !== 'string') return await openImageArchive(source, { names, scratch });
  if (source.startsWith(REGISTRY))
    return await openRegistry(source.slice(REGISTRY.length), {
      ...(await registryOptions(options)),
      onNotice,
    });
  return isDirectory(source)
    ? await openImageLayout(source, { names })
    : await openImageArchive(source, { names, scratch });
}
