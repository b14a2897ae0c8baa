import { statSync } from 'node:fs';
import { type ByteSource, detectSource, detectStream, OverlayerError } from '../../index.js';
import { closeLayer, openLayer } from './layer-source.js';

export type Kind = 'layer' | 'image';

export const REGISTRY = 'docker://';
/** With one of these it is a layer, whatever is in it. */
const LAYER_DIGESTS = ['--digest', '--diff-id'];

/** What a command is to read: a layer, or an image. */
export interface Argument {
  /** Undefined for what can't be read: whoever tries says why. */
  readonly kind: Kind | undefined;
  /** A path or a reference, or the bytes of standard input. */
  readonly source: string | ByteSource;
  readonly name: string;
  close(): void;
}

/**
 * Sees by content what an argument names.
 *
 * @param given options that the user has given
 * @throws OverlayerError as `openLayer`
 */
export async function readArgument(argument: string, given: readonly string[]): Promise<Argument> {
  const { source, name } = openLayer(argument);
  const close = () => closeLayer(source);
  const isLayer = given.some((option) => LAYER_DIGESTS.includes(option));
  if (typeof source === 'string') return { kind: await kindOf(source, isLayer), source, name, close };
  if (isLayer) return { kind: 'layer', source, name, close };
  const { kind, bytes } = await detectStream(source);
  return { kind: kind === undefined ? 'layer' : 'image', source: bytes, name, close };
}

async function kindOf(argument: string, isLayer: boolean): Promise<Kind | undefined> {
  if (argument.startsWith(REGISTRY)) return 'image';
  if (isDirectory(argument)) return 'image';
  if (isLayer) return 'layer';
  try {
    return (await detectSource(argument)) === undefined ? 'layer' : 'image';
  } catch (error) {
    if (OverlayerError.is(error)) return undefined;
    throw error;
  }
}

/** No for what can't be looked at: whoever tries to read it says why. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Options that say nothing of the other. To pass over `--digest` or `--dry-run` would do harm. */
const OPTIONS_OF: Readonly<Record<Kind, readonly string[]>> = {
  layer: [
    ...['--target', '--lower', '--merge', '--dry-run'],
    ...[...LAYER_DIGESTS, '--allow-empty', '--no-digests', '--gzip'],
  ],
  image: [
    ...['--platform', '--image', '--plain-http', '--username', '--password-stdin'],
    ...['--hosts-dir', '--min-rate', '--deadline'],
  ],
};

/** @throws OverlayerError `InvalidArgument` for an option that is not for such a source */
export function checkOptions(
  { kind, name }: Pick<Argument, 'kind' | 'name'>,
  given: readonly string[],
): void {
  if (kind === undefined) return;
  const other = kind === 'image' ? 'layer' : 'image';
  const options = given.filter((option) => OPTIONS_OF[other].includes(option)).join(', ');
  if (options === '') return;
  throw new OverlayerError('InvalidArgument', `Only ${other}s take ${options}: "${name}" is no ${other}`);
}
