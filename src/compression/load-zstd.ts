import { OverlayerError } from '../base/errors.js';

/** Loads a module that needs zstd-napi. @throws OverlayerError `Unavailable` where that is not built */
export async function loadZstd<Module>(
  purpose: 'compress' | 'decompress',
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new OverlayerError('Unavailable', `Cannot ${purpose} zstd: the addon zstd-napi is not built here`, {
      hint: 'npm rebuild zstd-napi (needs a C++ compiler, make and python3)',
      cause,
    });
  }
}
