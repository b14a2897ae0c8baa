import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { WorkBudget } from '../../src/base/work-budget.js';
import { TAR_OFFSET } from '../../src/erofs/head.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/index.js';
import type { LowersLater } from '../../src/layer/apply/lowers-later.js';
import type { OwnerMap } from '../../src/layer/apply/shift-owners.js';
import { DirectoryLayer } from '../../src/layer/erofs/directory-layer.js';
import { type Append, ErofsLayer } from '../../src/layer/erofs/erofs-layer.js';
import { FileLayer } from '../../src/layer/erofs/file-layer.js';
import { LowerTree } from '../../src/layer/erofs/lower-tree.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O } from '../../src/system/system.js';
import { TarDecoder } from '../../src/tar/decoder.js';

interface LayerFileOptions {
  readonly limits?: Partial<Limits>;
  /** Paths of lower layers, nearest first: of layer files (`.erofs`), or of directories in overlay form. */
  readonly lowers?: readonly string[];
  readonly lowersLater?: LowersLater;
  readonly owners?: OwnerMap;
}

/** The layer file of an archive, made in memory. */
export function makeErofsLayer(
  archive: Uint8Array,
  options: LayerFileOptions = {},
): { readonly bytes: Buffer; readonly layer: ErofsLayer } {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const system = openLinuxSystem();
  const layers = (options.lowers ?? []).map((path) =>
    path.endsWith('.erofs')
      ? new FileLayer(path, statSync(path, { bigint: true }))
      : new DirectoryLayer(system, system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0)),
  );
  try {
    const layer = new ErofsLayer({
      limits,
      budget: new WorkBudget(limits, { lowers: layers.length }),
      lowers: layers.length === 0 ? undefined : new LowerTree(layers),
      lowersLater: options.lowersLater,
      owners: options.owners,
    });
    const decoder = new TarDecoder(layer, limits);
    decoder.write(archive);
    decoder.end({ requireMarker: false });
    const start: Buffer = Buffer.alloc(Math.ceil((TAR_OFFSET + archive.length) / 512) * 512);
    start.set(archive, TAR_OFFSET);
    const parts: Uint8Array[] = [start];
    for (const append of layer.finish(archive.length)) parts.push(appended(append, start));
    const bytes = Buffer.concat(parts);
    const diffID = sha256(archive);
    const rest = sha256(bytes.subarray(TAR_OFFSET + archive.length));
    bytes.set(layer.head({ diffID, tarBytes: archive.length, rest }));
    return { bytes, layer };
  } finally {
    for (const layer of layers) layer[Symbol.dispose]();
  }
}

function appended(append: Append, start: Buffer): Buffer {
  switch (append.kind) {
    case 'bytes':
      return Buffer.from(append.bytes);
    case 'zeros':
      return Buffer.alloc(append.length);
    case 'copy': {
      const { from, offset, length } = append;
      if (from === 'self') return Buffer.from(start.subarray(offset, offset + length));
      const bytes = Buffer.alloc(length);
      for (let at = 0; at < length; ) at += from.read(bytes.subarray(at), offset + at);
      return bytes;
    }
    default:
      return append satisfies never;
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
