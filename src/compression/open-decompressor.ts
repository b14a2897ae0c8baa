import { OverlayerError } from '../base/errors.js';
import type { ByteOutput, Decompressor } from './decompressor.js';
import { loadZstd } from './load-zstd.js';

/** The gzip decoders, fastest first; each is loaded only when it is its turn. */
const GZIP = {
  isal: async (output) => {
    const { IsalGunzip, loadIsal } = await import('./isal.js');
    const isal = loadIsal();
    return isal && new IsalGunzip(isal, output);
  },
  zlib: async (output) => new (await import('./zlib.js')).ZlibGunzip(output),
} as const satisfies Record<string, (output: ByteOutput) => Promise<Decompressor | undefined>>;

export type GzipDecoderName = keyof typeof GZIP;

export const GZIP_DECODERS = Object.keys(GZIP) as readonly GzipDecoderName[];

/** @throws OverlayerError `Unavailable` when the wanted gzip decoder is not here */
export async function openDecompressor(
  format: 'gzip' | 'zstd',
  output: ByteOutput,
  wanted?: GzipDecoderName,
): Promise<Decompressor> {
  if (format === 'zstd') return await openZstd(output);
  for (const name of wanted === undefined ? GZIP_DECODERS : [wanted]) {
    const decoder = await GZIP[name](output);
    if (decoder !== undefined) return decoder;
  }
  throw new OverlayerError('Unavailable', `gzip decoder "${wanted}" is not installed`, {
    hint: 'apt-get install libisal2',
  });
}

async function openZstd(output: ByteOutput): Promise<Decompressor> {
  const { ZstdDecompressor } = await loadZstd('decompress', () => import('./zstd.js'));
  return new ZstdDecompressor(output);
}
