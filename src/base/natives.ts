import { closeSync, existsSync, openSync, readSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
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
  koffi ??= load('koffi', 'koffi', 'call the kernel', { load: requireKoffi }) as Koffi;
  return koffi;
}

/**
 * Loads koffi's native file alone: 1 to 2 ms, where the package takes 4 to 9, in every thread. Its four modules look for the
 * file, and add deprecated functions. They do it where the file is not at its usual place, and for musl.
 */
function requireKoffi(require: NodeJS.Require): unknown {
  try {
    const folder = findFolder(require, 'koffi');
    if (folder !== undefined && process.platform === 'linux' && isForGlibc(process.execPath)) {
      const addon = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
      const native = require(join(folder, '..', addon)) as Koffi;
      if (native.version.startsWith('3.')) return native;
    }
  } catch {
    // The package reports it, unless it finds another file.
  }
  return require('koffi');
}

/** Finds a package as Node does, without its package.json, which `require.resolve` reads for 2 ms. */
function findFolder(require: NodeJS.Require, name: string): string | undefined {
  const folders = require.resolve.paths(name)?.map((modules) => join(modules, name));
  const folder = folders?.find((each) => existsSync(each));
  return folder === undefined ? undefined : realpathSync.native(folder);
}

/** The loader's name is in the first page of the program. musl would load an addon for glibc, and crash later. */
function isForGlibc(program: string): boolean {
  const page = Buffer.alloc(4096);
  const descriptor = openSync(program, 'r');
  try {
    readSync(descriptor, page);
  } finally {
    closeSync(descriptor);
  }
  return page.includes('/ld-linux');
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
  lmdb ??= load('lmdb', 'lmdb', 'keep records of snapshots and images', { load: requireLmdb }) as Lmdb;
  return lmdb;
}

/** States the C library to lmdb's loader of native files, which else finds it out: 5 of 20 ms. */
function requireLmdb(require: NodeJS.Require): unknown {
  if (process.env['LIBC'] !== undefined || process.platform !== 'linux' || !isForGlibc(process.execPath))
    return require('lmdb');
  process.env['LIBC'] = 'glibc';
  try {
    return require('lmdb');
  } finally {
    delete process.env['LIBC'];
  }
}

/** @throws OverlayerError `Unimplemented` when zstd-napi is absent or not built */
export function loadZstd(): Zstd {
  zstd ??= load('zstd-napi', 'zstd-napi/binding.js', 'compress or decompress zstd', {
    hint: ZSTD_HINT,
  }) as Zstd;
  return zstd;
}

interface LoadOptions {
  readonly hint?: string;
  /** Loads the module by a `require` that finds it. */
  readonly load?: (require: NodeJS.Require) => unknown;
}

function load(
  name: string,
  module: string,
  task: string,
  { hint = `npm install ${name}, or npm rebuild ${name}`, load }: LoadOptions = {},
): unknown {
  try {
    return requireOptional(module, load);
  } catch (cause) {
    const absent = isNotFound(cause);
    const why = absent ? 'is not installed, or not built' : 'does not load';
    throw new OverlayerError('Unimplemented', `Cannot ${task}: the package ${name} ${why}`, {
      hint,
      cause,
    });
  }
}
