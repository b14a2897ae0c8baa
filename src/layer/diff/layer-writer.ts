import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { statId, withChild } from '../../rootfs/directory.js';
import { dataRanges } from '../../rootfs/trees/copy-contents.js';
import { O, type System } from '../../system/system.js';
import { paddingOf } from '../../tar/block.js';
import { END_MARKER_BYTES, HeaderEncoder, type TarHeader } from '../../tar/header-encoder.js';
import { opaqueMarker, WHITEOUT_PREFIX, whiteoutMarker } from '../plan/whiteout.js';
import type { TreeEntry } from './tree-entry.js';

const SECTOR_BYTES = 512;

/** Whiteouts look as containerd writes them. Nothing in them depends on the time of the removal. */
const MARKER: Omit<TarHeader, 'path'> = {
  type: 'file',
  size: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  linkPath: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
};

/** Receives the bytes of a layer's archive. */
export interface LayerOutput {
  /** Bytes before an entry's content. The caller reuses their memory. */
  header(bytes: Uint8Array): void;
  zeros(count: number): void;
  /**
   * Copies bytes of an open file from its position on. @returns how many; fewer than `length` only at the end of the
   * file
   */
  read(file: number, length: number): number;
}

/** Writes the entries of a layer, in the order of the calls. */
export class LayerWriter {
  /** Number of whiteouts and opaque markers so far. */
  whiteouts = 0;
  readonly #system: System;
  readonly #output: LayerOutput;
  readonly #latestSec: number;
  readonly #encoder = new HeaderEncoder();

  /**
   * @param latestSec modification times are limited to it, in seconds since 1970 (reproducible-builds.org,
   *   SOURCE_DATE_EPOCH)
   */
  constructor(system: System, output: LayerOutput, latestSec: number | undefined) {
    this.#system = system;
    this.#output = output;
    this.#latestSec = latestSec ?? Number.POSITIVE_INFINITY;
  }

  entry({ walked, header }: TreeEntry): void {
    if (header.type !== 'file') {
      this.#header(header);
      return;
    }
    const { parent, name, stat } = walked;
    withChild(this.#system, parent, name, O.RDONLY | O.NONBLOCK, (file) => {
      const opened = this.#system.stat(file);
      if (statId(opened) !== statId(stat)) throw changed(header, 'another file has its name now');
      this.#header({ ...header, size: opened.size });
      this.#content(file, header, opened);
      this.#output.zeros(paddingOf(opened.size));
    });
  }

  /** @param target path of an earlier entry */
  hardlink({ header }: TreeEntry, target: string): void {
    this.#header({ ...header, type: 'hardlink', size: 0, linkPath: target, xattrs: undefined });
  }

  /** Writes an entry that removes `path` from the lower layers. */
  whiteout(path: string): void {
    checkName(path);
    this.#marker(whiteoutMarker(path));
  }

  /** Writes an entry that removes the lower contents of the directory `path`. */
  opaque(path: string): void {
    this.#marker(opaqueMarker(path));
  }

  end(): void {
    this.#output.zeros(END_MARKER_BYTES);
  }

  #marker(path: string): void {
    this.#output.header(this.#encoder.encode({ ...MARKER, path }));
    this.whiteouts += 1;
  }

  #header(header: TarHeader): void {
    checkName(header.path);
    const isLate = header.mtimeSec >= this.#latestSec;
    this.#output.header(
      this.#encoder.encode(isLate ? { ...header, mtimeSec: this.#latestSec, mtimeNsec: 0 } : header),
    );
  }

  /** Holes are not read. The layer has zeros for them: sparse entries SHOULD NOT be used (image spec, layer.md). */
  #content(file: number, header: TarHeader, { size, blocks }: { size: number; blocks: number }): void {
    const isDense = blocks * SECTOR_BYTES >= size;
    const ranges = isDense ? [{ start: 0, end: size }] : dataRanges(this.#system, file, size);
    let position = 0;
    for (const { start, end } of ranges) {
      this.#output.zeros(start - position);
      if (this.#output.read(file, end - start) < end - start)
        throw changed(header, 'it became shorter while it was read');
      position = end;
    }
    this.#output.zeros(size - position);
  }
}

/** @throws OverlayerError `FailedPrecondition`: readers of the layer would take the name for a whiteout */
function checkName(path: string): void {
  const name = path.slice(path.lastIndexOf('/', path.length - 2) + 1);
  if (!name.startsWith(WHITEOUT_PREFIX)) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `Cannot write entry "${displayPath(path)}": a layer would have a whiteout by that name`,
    { entry: path, hint: `rename it: no layer can hold a name that begins with "${WHITEOUT_PREFIX}"` },
  );
}

function changed({ path: entry }: TarHeader, what: string): OverlayerError {
  return new OverlayerError('FailedPrecondition', `Cannot write entry "${displayPath(entry)}": ${what}`, {
    entry,
    hint: 'another process is changing the tree',
  });
}
