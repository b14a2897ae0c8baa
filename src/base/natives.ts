import { OverlayerError } from './errors.js';
import { isNotFound, requireOptional } from './installed-package.js';

// The three packages with native code are optional dependencies. Each is loaded when it is first used, so what does not
// need it works without it.

export type Koffi = typeof import('koffi').default;
type Lmdb = typeof import('lmdb');
export type Zstd = typeof import('zstd-napi/binding.js');

const ZSTD_HINT =
  'use Node 22.15 or later, which has zstd, or npm install zstd-napi, which needs a C++ compiler, make and python3';

let koffi: Koffi | undefined;
let lmdb: Lmdb | undefined;
let zstd: Zstd | undefined;

/** Calls functions of C libraries. @throws OverlayerError `Unimplemented` when koffi is absent */
export function loadKoffi(): Koffi {
  koffi ??= load('koffi', 'koffi', 'call the kernel') as Koffi;
  return koffi;
}

/** Loads koffi early. Does nothing when it is absent. */
export function loadKoffiAhead(): void {
  try {
    loadKoffi();
  } catch {
    // The first call that needs it throws this.
  }
}

/** Stores the records of snapshots, content and images. @throws OverlayerError `Unimplemented` when lmdb is absent */
export function loadLmdb(): Lmdb {
  lmdb ??= load('lmdb', 'lmdb', 'keep records of snapshots and images') as Lmdb;
  return lmdb;
}

/** @throws OverlayerError `Unimplemented` when zstd-napi is absent or not built */
export function loadZstd(): Zstd {
  zstd ??= load('zstd-napi', 'zstd-napi/binding.js', 'compress or decompress zstd', ZSTD_HINT) as Zstd;
  return zstd;
}

function load(
  name: string,
  module: string,
  task: string,
  hint = `npm install ${name}, or npm rebuild ${name}`,
): unknown {
  try {
    return requireOptional(module);
  } catch (cause) {
    const absent = isNotFound(cause);
    const why = absent ? 'is not installed, or not built' : 'does not load';
    throw new OverlayerError('Unimplemented', `Cannot ${task}: the package ${name} ${why}`, {
      hint,
      cause,
    });
  }
}
