import type { Ring } from '../../base/threads/ring.js';
import { closeQuietly, openTree } from '../../rootfs/directory.js';
import { fromSystemError } from '../../system/errno-code.js';
import { AT_FDCWD, O, type System, SystemError } from '../../system/system.js';
import { type LayerOutput, LayerWriter } from '../diff/layer-writer.js';
import type { DiffSource } from '../diff/options.js';
import { TreeDiffer } from '../diff/tree-differ.js';
import { UpperdirDiffer } from '../diff/upperdir-differ.js';
import { LazyLowers } from '../erofs/lazy-lowers.js';
import type { ErofsLayerInfo } from '../erofs/read-erofs-layer.js';
import type { FileRange } from '../options.js';
import type { DiffInput, PackedUpperdir } from './jobs.js';
import { type Pipeline, STEP_BYTES } from './pipeline.js';

/** Reads the trees and writes the archive of their difference into the input ring, or copies the tar of a layer file. */
export function diffTrees(
  system: System,
  pipeline: Pipeline,
  { source, latestSec, isUnpacked }: DiffInput,
): { readonly whiteouts: number } {
  const output = new RingOutput(system, pipeline, !isUnpacked);
  if ('tar' in source) {
    copyTar(system, source, output);
    if (!isUnpacked) pipeline.entries = source.entries;
    pipeline.input.end();
    return source;
  }
  const diff = writeDiff(system, source, new LayerWriter(system, output, latestSec));
  pipeline.input.end();
  return diff;
}

/** Writes the archive of the difference, to its end. */
export function writeDiff(
  system: System,
  source: DiffSource | PackedUpperdir,
  writer: LayerWriter,
): { readonly whiteouts: number } {
  const opened: number[] = [];
  const open = (path: string, what: string) => {
    const descriptor = openTree(system, path, what);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    compare(system, source, writer, open);
    writer.end();
    return { whiteouts: writer.whiteouts };
  } finally {
    for (const descriptor of opened) closeQuietly(system, descriptor);
  }
}

function compare(
  system: System,
  source: DiffSource | PackedUpperdir,
  writer: LayerWriter,
  open: (path: string, what: string) => number,
): void {
  const upper = open(source.upper, 'Upper tree');
  if ('layerFiles' in source) {
    using lowers = new LazyLowers(system, source.layerFiles);
    new UpperdirDiffer(system, writer, lowers).diff(upper);
  } else if ('lowers' in source) {
    using lowers = new LazyLowers(system, source.lowers);
    const all = [...lowers]; // also those that the diff does not read: none may be missing
    new UpperdirDiffer(system, writer, all).diff(upper);
  } else {
    const lower = source.lower === undefined ? undefined : open(source.lower, 'Lower tree');
    new TreeDiffer(system, writer).diff(lower, upper, source.leaveRoot);
  }
}

function copyTar(system: System, { path, tar }: ErofsLayerInfo, output: RingOutput): void {
  const what = `Cannot read layer file "${path}"`;
  try {
    const descriptor = system.openAt(AT_FDCWD, path, O.RDONLY, 0);
    try {
      output.copy(descriptor, tar);
    } finally {
      system.close(descriptor);
    }
  } catch (error) {
    throw error instanceof SystemError ? fromSystemError(error, what) : error;
  }
}

/** Writes into the input ring. The kernel copies files' bytes straight into its memory. */
class RingOutput implements LayerOutput {
  readonly #system: System;
  readonly #pipeline: Pipeline;
  readonly #ring: Ring;
  readonly #address: number;
  readonly #counts: boolean;

  /** @param counts whether bytes and entries are counted for the progress */
  constructor(system: System, pipeline: Pipeline, counts: boolean) {
    this.#system = system;
    this.#pipeline = pipeline;
    this.#counts = counts;
    this.#ring = pipeline.input;
    this.#address = system.address(this.#ring.bytes);
  }

  header(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const room = this.#room(bytes.length - at);
      this.#ring.bytes.set(bytes.subarray(at, at + room), this.#ring.writeIndex);
      at += room;
      this.#publish(room);
    }
    if (this.#counts) this.#pipeline.entries += 1;
  }

  zeros(count: number): void {
    for (let left = count; left > 0; ) {
      const room = this.#room(left);
      const { writeIndex } = this.#ring;
      this.#ring.bytes.fill(0, writeIndex, writeIndex + room);
      left -= room;
      this.#publish(room);
    }
  }

  read(file: number, length: number): number {
    let done = 0;
    while (done < length) {
      const room = this.#room(length - done);
      const read = this.#system.read(file, this.#address + this.#ring.writeIndex, room);
      if (read === 0) break;
      done += read;
      this.#publish(read);
    }
    return done;
  }

  /** Copies a part of a file. A file that ends early is found by the digest of the bytes. */
  copy(file: number, { offset, length }: Omit<FileRange, 'path'>): void {
    for (let done = 0; done < length; ) {
      const room = this.#room(length - done);
      const read = this.#system.readAt(file, this.#address + this.#ring.writeIndex, room, offset + done);
      if (read === 0) return;
      done += read;
      this.#publish(read);
    }
  }

  #room(wanted: number): number {
    return Math.min(this.#ring.waitRoom(), STEP_BYTES, wanted);
  }

  #publish(length: number): void {
    if (this.#counts) this.#pipeline.bytes += length;
    this.#ring.publish(length);
  }
}
