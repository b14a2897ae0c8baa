import type { Compressor } from './compressor.js';
import type { ByteOutput } from './decompressor.js';
import type { ZstdLibraryName } from './zstd-library.js';

/** @param zstd a library, for tests @throws OverlayerError `Unimplemented`: there is no zstd */
export async function openCompressor(
  format: 'gzip' | 'zstd',
  output: ByteOutput,
  zstd?: ZstdLibraryName,
): Promise<Compressor> {
  if (format === 'gzip') return new (await import('./gzip-compressor.js')).GzipCompressor(output);
  const [{ ZstdCompressor }, { openZstdLibrary }] = await Promise.all([
    import('./zstd-compressor.js'),
    import('./zstd-library.js'),
  ]);
  return new ZstdCompressor(output, openZstdLibrary(zstd));
}
