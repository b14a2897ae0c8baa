import type { ByteOutput, Compressor } from './codec.js';
import type { ZstdLibraryName } from './zstd-library.js';

/** @param zstd for tests: this library alone @throws OverlayerError `Unimplemented` when there is no zstd */
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
