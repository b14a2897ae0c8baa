import { OverlayerError } from '../base/errors.js';
import type { ByteOutput, Decompressor } from './codec.js';
import { GzipMember, type Inflater } from './gzip-member.js';
import { type MemberDecoder, MemberStream } from './member-stream.js';
import type { ZstdLibraryName } from './zstd-library.js';

/** The gzip decoders, fastest first. A decoder is loaded when those before it are absent. */
const GZIP = {
  isal: async (output) => {
    const { IsalInflater, loadIsal } = await import('./isal-inflate.js');
    const isal = loadIsal();
    return isal && new IsalInflater(isal, output);
  },
  zlib: async (output) => new (await import('./node-zlib.js')).ZlibInflater(output),
} as const satisfies Record<string, (output: ByteOutput) => Promise<Inflater | undefined>>;

export type GzipDecoderName = keyof typeof GZIP;

export const GZIP_DECODERS = Object.keys(GZIP) as readonly GzipDecoderName[];

export interface DecompressorOptions {
  readonly gzip?: GzipDecoderName | undefined;
  /** The only library to use, for tests. @default the first that is there */
  readonly zstd?: ZstdLibraryName | undefined;
  /** See `Limits.maxWindow`. */
  readonly maxWindow: number;
}

/** @throws OverlayerError `Unavailable` when the wanted gzip decoder is not installed, `Unimplemented` when there is no zstd */
export async function openDecompressor(
  format: 'gzip' | 'zstd',
  output: ByteOutput,
  { gzip, zstd, maxWindow }: DecompressorOptions,
): Promise<Decompressor> {
  return new MemberStream(
    format === 'zstd'
      ? await openZstd(output, maxWindow, zstd)
      : new GzipMember(await openInflater(output, gzip)),
  );
}

async function openInflater(output: ByteOutput, wanted: GzipDecoderName | undefined): Promise<Inflater> {
  for (const name of wanted === undefined ? GZIP_DECODERS : [wanted]) {
    const inflater = await GZIP[name](output);
    if (inflater !== undefined) return inflater;
  }
  throw new OverlayerError('Unavailable', `gzip decoder "${wanted}" is not installed`, {
    hint: 'apt-get install libisal2',
  });
}

async function openZstd(
  output: ByteOutput,
  maxWindow: number,
  wanted: ZstdLibraryName | undefined,
): Promise<MemberDecoder> {
  const [{ ZstdFrame }, { openZstdLibrary }] = await Promise.all([
    import('./zstd-frame.js'),
    import('./zstd-library.js'),
  ]);
  return new ZstdFrame(output, maxWindow, openZstdLibrary(wanted));
}
