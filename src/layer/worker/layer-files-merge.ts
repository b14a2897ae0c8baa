import { createHash } from 'node:crypto';
import { SUPERBLOCK_OFFSET } from '../../erofs/format.js';
import { type MergedImage, mergeErofs, writeMergedHead } from '../../erofs/merged-image.js';
import { ErofsReader } from '../../erofs/reader/reader.js';
import { walkErofs } from '../../erofs/reader/walk.js';
import { DestinationFile } from '../../rootfs/destination-file.js';
import { copyInto } from '../../rootfs/trees/copy-contents.js';
import { fromSystemError } from '../../system/errno-code.js';
import { meterSystem } from '../../system/metered-system.js';
import { type System, SystemError } from '../../system/system.js';
import { LayerFile } from '../erofs/layer-file.js';
import type { MergedErofsLayers } from '../options.js';
import type { MergeInput } from './jobs.js';

/**
 * Writes the merged metadata of layer files into a new file, and perhaps the layer files behind them. The superblock is written
 * by `commit`.
 */
export class LayerFilesMerge {
  readonly #system: System;
  readonly #file: DestinationFile;
  readonly #input: MergeInput;
  readonly #look: () => void;
  #beginning: Uint8Array | undefined;

  /**
   * @param look called before each read and write; it throws to end the work
   * @throws OverlayerError as `DestinationFile.open`
   */
  static open(system: System, input: MergeInput, look: () => void): LayerFilesMerge {
    return new LayerFilesMerge(system, DestinationFile.open(system, input.destination), input, look);
  }

  private constructor(system: System, file: DestinationFile, input: MergeInput, look: () => void) {
    this.#system = meterSystem(system, { charge: look, look });
    this.#file = file;
    this.#input = input;
    this.#look = look;
  }

  /** Writes everything but the beginning. @throws OverlayerError */
  fill(): MergedErofsLayers {
    const files: LayerFile[] = [];
    try {
      for (const path of this.#input.layers) files.push(new LayerFile(path));
      const image = mergeErofs(
        files.map((file) => this.#layerOf(file)),
        this.#input.limits,
      );
      const { beginning, bytes: metadataSize, offsets } = image;
      writeMergedHead(beginning, { digest: this.#write(image, files), bytes: metadataSize });
      this.#beginning = beginning;
      const size = this.#input.form === 'disk' ? image.wholeBytes : metadataSize;
      return { size, metadataSize, offsets };
    } catch (error) {
      if (error instanceof SystemError)
        throw fromSystemError(error, `Cannot write "${this.#input.destination}"`);
      for (const file of files) checkWalk(file);
      throw error;
    } finally {
      for (const file of files) file[Symbol.dispose]();
    }
  }

  commit(sync: boolean): void {
    this.#file.commit(this.#beginning!, sync);
  }

  discard(): string | undefined {
    return this.#file.discard();
  }

  #layerOf(file: LayerFile) {
    const { head, size } = file;
    const read = (offset: number, length: number) => {
      this.#look();
      return file.read(offset, length);
    };
    return {
      image: new ErofsReader({ size, read }),
      bytes: size,
      diffID: head.diffID,
      inheritsRoot: head.inheritsRoot,
    };
  }

  /** @returns sha256 of the image, without its first 1024 bytes */
  #write(image: MergedImage, files: readonly LayerFile[]): Uint8Array {
    const system = this.#system;
    const { descriptor } = this.#file;
    const hash = createHash('sha256').update(image.beginning.subarray(SUPERBLOCK_OFFSET));
    let at = image.beginning.length;
    for (const piece of image.metadata()) {
      system.pwrite(descriptor, system.address(piece), piece.length, at);
      hash.update(piece);
      at += piece.length;
    }
    if (this.#input.form === 'disk')
      for (const [index, file] of files.entries())
        copyInto(system, file.descriptor, descriptor, { size: file.size, target: image.offsets[index]! });
    return hash.digest();
  }
}

/** Finds the file that the error of a merge comes from. @throws OverlayerError that names it, if it is damaged */
function checkWalk(file: LayerFile): void {
  file.naming(() => {
    for (const { inode } of walkErofs(file.image)) file.image.xattrs(inode);
  });
}
