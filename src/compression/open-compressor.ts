import type { Compressor } from './compressor.js';
import type { ByteOutput } from './decompressor.js';
import { loadZstd } from './load-zstd.js';

/** @throws OverlayerError `Unavailable`: zstd is not built here */
export async function openCompressor(format: 'gzip' | 'zstd', output: ByteOutput): Promise<Compressor> {
  if (format === 'gzip') return new (await import('./gzip-compressor.js')).GzipCompressor(output);
  const { ZstdCompressor } = await loadZstd('compress', () => import('./zstd-compressor.js'));
  return new ZstdCompressor(output);
}
