import { withContext } from '../../base/with-context.js';
import { WorkBudget } from '../../base/work-budget.js';
import { BLOCK_BYTES } from '../../erofs/format.js';
import { TAR_OFFSET } from '../../erofs/head.js';
import { DestinationFile } from '../../rootfs/destination-file.js';
import { SequentialFile } from '../../rootfs/sequential-file.js';
import { fromSystemError, toOverlayerError } from '../../system/errno-code.js';
import { openSha256, type Sha256 } from '../../system/sha256.js';
import { type System, SystemError } from '../../system/system.js';
import { LayerWriter } from '../diff/layer-writer.js';
import { type Append, ErofsLayer } from '../erofs/erofs-layer.js';
import { LazyLowers } from '../erofs/lazy-lowers.js';
import { type LowerData, LowerTree } from '../erofs/lower-tree.js';
import { writeDiff } from './diff-trees.js';
import type { AppliedArchive, PackInput, WriteFileInput } from './jobs.js';
import { PackedArchive } from './packed-archive.js';
import type { Pipeline } from './pipeline.js';
import { ArchiveReader, readArchive } from './read-archive.js';

/** Bytes that are copied within the file, or from a lower one, in one step. */
const COPY_BYTES = 256 * 1024;
const ZEROS: Buffer = Buffer.alloc(64 * 1024);

/**
 * Writes a layer as one EROFS file: the tar as its bytes pass, and then what `ErofsLayer` appends. The head, without
 * which nothing can mount the file, is written by `commit`.
 */
export class LayerFileWriter {
  readonly #system: System;
  readonly #file: DestinationFile;
  #head: Uint8Array | undefined;

  /** @throws OverlayerError as `DestinationFile.open` */
  static open(system: System, destination: string): LayerFileWriter {
    return new LayerFileWriter(system, DestinationFile.open(system, destination));
  }

  private constructor(system: System, file: DestinationFile) {
    this.#system = system;
    this.#file = file;
  }

  /** Writes everything but the head. The tar is in the pipeline. @throws OverlayerError */
  async fill(pipeline: Pipeline, input: Omit<WriteFileInput, 'destination'>): Promise<AppliedArchive> {
    const { limits, lowers, lowersLater, owners, flushSoon } = input;
    const look = () => pipeline.gate.throwIfAborted();
    using layers = new LazyLowers(this.#system, lowers);
    const budget = new WorkBudget(limits, { lowers: lowers.length, look });
    const layer = new ErofsLayer({
      limits,
      budget,
      lowers: lowers.length === 0 ? undefined : new LowerTree([...layers]),
      lowersLater,
      owners,
    });
    const archive = new ArchiveReader(pipeline, true);
    const { bytes } = archive.ring;
    const file = this.#begin(flushSoon);
    const copy = (start: number, length: number) => this.#orFailed(() => file.write(bytes, start, length));
    const read = await readArchive(pipeline, archive, layer, limits, { copy });
    this.#end(layer, { tarBytes: read.size, diffID: Buffer.from(read.diffID!, 'hex') }, file, look);
    const { whiteouts, listsRoot, needsLowers, anomalies } = layer;
    return { ...read, whiteouts, listsRoot, needsLowers, anomalies: anomalies.summary(), facts: undefined };
  }

  /** Writes everything but the head. The tar is the diff of an upperdir. @throws OverlayerError */
  pack({ limits, ...source }: Omit<PackInput, 'destination'>, look: () => void): void {
    const budget = new WorkBudget(limits, { look });
    const layer = new ErofsLayer({
      ...{ limits, budget },
      ...{ lowers: undefined, lowersLater: undefined, owners: undefined },
    });
    const file = this.#begin(true);
    const write = (bytes: Uint8Array, length: number) => this.#orFailed(() => file.write(bytes, 0, length));
    using archive = new PackedArchive(this.#system, { sink: layer, limits, write, look });
    writeDiff(this.#system, source, new LayerWriter(this.#system, archive, undefined));
    this.#end(layer, archive.end(), file, look);
  }

  commit(sync: boolean): void {
    this.#file.commit(this.#head!, sync);
  }

  discard(): string | undefined {
    return this.#file.discard();
  }

  #begin(flushSoon: boolean): SequentialFile {
    return new SequentialFile(this.#system, this.#file.descriptor, { from: TAR_OFFSET, flushSoon });
  }

  #end(
    layer: ErofsLayer,
    tar: { readonly tarBytes: number; readonly diffID: Uint8Array },
    file: SequentialFile,
    look: () => void,
  ): void {
    const rest = this.#append(layer.finish(tar.tarBytes), file, look);
    this.#head = layer.head({ ...tar, rest });
  }

  /** @returns sha256 of all bytes behind the tar */
  #append(parts: Iterable<Append>, file: SequentialFile, look: () => void): Uint8Array {
    const body = new FileBody(this.#system, file);
    try {
      this.#orFailed(() => {
        for (const part of parts) {
          look();
          body.append(part);
        }
        file.end();
      });
    } finally {
      body.close();
    }
    return body.digest;
  }

  #orFailed(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw fromSystemError(error, `Cannot write "${this.#file.path}"`);
    }
  }
}

/**
 * Writes the layer file of an upperdir. The caller flushes it.
 *
 * @param look called for each buffer; it throws to end the work
 * @throws OverlayerError as `packUpperdir`; what `look` throws. Nothing is left then
 */
export function packLayerFile(system: System, { destination, ...input }: PackInput, look: () => void): void {
  const writer = LayerFileWriter.open(system, destination);
  try {
    writer.pack(input, look);
    look();
  } catch (error) {
    throw withContext(error, { hint: writer.discard() });
  }
  writer.commit(false);
}

/** The part of a layer file behind its tar: writes it, and hashes it. */
class FileBody {
  readonly #system: System;
  readonly #file: SequentialFile;
  readonly #hash: Sha256 = openSha256();
  #copied: Buffer | undefined;
  #hex: string | undefined;

  constructor(system: System, file: SequentialFile) {
    this.#system = system;
    this.#file = file;
    this.#skip(-file.position & (BLOCK_BYTES - 1));
  }

  get digest(): Uint8Array {
    return Buffer.from(this.#hex!, 'hex');
  }

  append(part: Append): void {
    switch (part.kind) {
      case 'bytes':
        this.#write(part.bytes, part.bytes.length);
        return;
      case 'zeros':
        this.#skip(part.length);
        return;
      case 'copy':
        this.#copy(part);
        return;
      default:
        part satisfies never;
    }
  }

  close(): void {
    this.#hex ??= this.#hash.hex();
  }

  #write(bytes: Uint8Array, length: number): void {
    this.#file.write(bytes, 0, length);
    this.#hash.update(bytes, 0, length);
  }

  #skip(length: number): void {
    this.#file.skip(length);
    for (let left = length; left > 0; left -= ZEROS.length)
      this.#hash.update(ZEROS, 0, Math.min(left, ZEROS.length));
  }

  #copy({ from, offset, length }: Append & { readonly kind: 'copy' }): void {
    this.#copied ??= Buffer.allocUnsafeSlow(COPY_BYTES);
    const buffer = this.#copied;
    for (let done = 0; done < length; ) {
      const wanted = Math.min(length - done, COPY_BYTES);
      const bytes =
        from === 'self'
          ? this.#file.read(this.#system.address(buffer), wanted, offset + done)
          : readLower(from, buffer.subarray(0, wanted), offset + done);
      if (bytes === 0) throw new SystemError('EIO', 'pread', ''); // the file has become shorter
      this.#write(buffer, bytes);
      done += bytes;
    }
  }
}

function readLower(data: LowerData, into: Uint8Array, position: number): number {
  try {
    return data.read(into, position);
  } catch (error) {
    throw toOverlayerError(error, 'Cannot read a file of the lower layers');
  }
}
