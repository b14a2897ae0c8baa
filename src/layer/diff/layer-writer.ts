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

/** As containerd writes it: nothing of it depends on when something was removed. */
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

/** Where a layer's archive goes. */
export interface LayerOutput {
  /** What comes before an entry's content, in memory that is written again afterwards. */
  header(bytes: Uint8Array): void;
  zeros(count: number): void;
  /** Bytes of an open file, from where it stands. @returns how many there were: fewer only at its end */
  read(file: number, length: number): number;
}

/** Writes the entries of a layer, one after the other. */
export class LayerWriter {
  /** Whiteouts and opaque markers so far. */
  whiteouts = 0;
  readonly #system: System;
  readonly #output: LayerOutput;
  readonly #latestSec: number;
  readonly #encoder = new HeaderEncoder();

  /** @param latestSec no modification time is later, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH) */
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
      if (statId(opened) !== statId(stat)) throw changed(header, 'something else has its name now');
      this.#header({ ...header, size: opened.size });
      this.#content(file, header, opened);
      this.#output.zeros(paddingOf(opened.size));
    });
  }

  /** @param target path of an entry that came before */
  hardlink({ header }: TreeEntry, target: string): void {
    this.#header({ ...header, type: 'hardlink', size: 0, linkPath: target, xattrs: undefined });
  }

  /** The lower layers' `path` is gone. */
  whiteout(path: string): void {
    checkName(path);
    this.#marker(whiteoutMarker(path));
  }

  /** What the lower layers have in the directory `path` is gone. */
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

  /** Holes are not read. They are zeros in the layer: sparse entries SHOULD NOT be used (image spec, layer.md). */
  #content(file: number, header: TarHeader, { size, blocks }: { size: number; blocks: number }): void {
    const isDense = blocks * SECTOR_BYTES >= size;
    const ranges = isDense ? [{ start: 0, end: size }] : dataRanges(this.#system, file, size);
    let position = 0;
    for (const { start, end } of ranges) {
      this.#output.zeros(start - position);
      if (this.#output.read(file, end - start) < end - start)
        throw changed(header, 'it was cut off while it was read');
      position = end;
    }
    this.#output.zeros(size - position);
  }
}

/** @throws OverlayerError `FailedPrecondition`: whoever reads the layer would take it for a whiteout */
function checkName(path: string): void {
  const name = path.slice(path.lastIndexOf('/', path.length - 2) + 1);
  if (!name.startsWith(WHITEOUT_PREFIX)) return;
  throw new OverlayerError(
    'FailedPrecondition',
    `Cannot write entry "${displayPath(path)}": in a layer the name is that of a whiteout`,
    { entry: path, hint: `rename it: no layer can hold a name that begins with "${WHITEOUT_PREFIX}"` },
  );
}

function changed({ path: entry }: TarHeader, what: string): OverlayerError {
  return new OverlayerError('FailedPrecondition', `Cannot write entry "${displayPath(entry)}": ${what}`, {
    entry,
    hint: 'something else is changing the tree',
  });
}
