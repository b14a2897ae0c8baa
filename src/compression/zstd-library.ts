import { availableParallelism } from 'node:os';
import * as zlib from 'node:zlib';
import { OverlayerError } from '../base/errors.js';
import { loadZstd, type Zstd } from '../base/natives.js';
import type { ByteOutput } from './codec.js';
import { MemberError } from './member-stream.js';
import { type ZlibInput, type ZlibStep, ZlibSteps } from './node-zlib.js';

/** The library's own limit is 2^27 bytes; `ZstdFrame` refuses large windows itself, and says how to allow them. */
export const WINDOW_LOG_MAX = 31;
/** zstd's own default. */
const LEVEL = 3;
/** Threads of one frame. The output is the same with any number of them, but not with none. */
const WORKERS = Math.min(availableParallelism(), 4);
/**
 * Bytes that a thread compresses at a time. A conversion of two layers at once takes 275 MB with it, 390 MB with the
 * default of 8 MiB, in the same time. The output is 0.7 % larger.
 */
const JOB_BYTES = 2 * 1024 ** 2;

/** ZSTD_EndDirective of <zstd.h>, for compression. */
export const FLUSH = { continue: 0, end: 2 } as const;

/** A stream through a zstd library, synchronous and straight into the output's memory. */
export interface ZstdSteps {
  /** Waits for room, and works until it is full or the input is used up. */
  step(input: ZlibInput): Pick<ZlibStep, 'consumed' | 'produced' | 'full'>;
  /** Frees native memory. */
  close(): void;
}

export interface ZstdLibrary {
  /** Its `step` stops at the end of a frame. @throws MemberError from `step`, for damaged bytes */
  openDecoder(output: ByteOutput): ZstdSteps;
  /** Writes a checksum of the content, as the command zstd does. @param level 1 to 22 @default 3 */
  openEncoder(output: ByteOutput, level?: number): ZstdSteps;
}

export const ZSTD_LIBRARIES = ['napi', 'node'] as const;

export type ZstdLibraryName = (typeof ZSTD_LIBRARIES)[number];

/** Node has zstd since 22.15 and 23.8. */
export const NODE_HAS_ZSTD = 'createZstdDecompress' in zlib;

/**
 * zstd-napi where it is built, else Node's own. Both contain the reference implementation, and `ZstdFrame` finds the end of
 * a frame itself, so the same streams are accepted through each.
 *
 * @param wanted the one and no other: for tests
 * @throws OverlayerError `Unimplemented` when there is none
 */
export function openZstdLibrary(wanted?: ZstdLibraryName): ZstdLibrary {
  if (wanted === 'node') return nodeLibrary();
  try {
    return napiLibrary(loadZstd());
  } catch (error) {
    if (wanted === undefined && NODE_HAS_ZSTD) return nodeLibrary();
    throw error;
  }
}

function napiLibrary(zstd: Zstd): ZstdLibrary {
  /** @param call returns bytes produced, and bytes consumed */
  const steps = (
    output: ByteOutput,
    call: (place: Buffer, input: Uint8Array, flush: number) => readonly [number, number],
  ): ZstdSteps => ({
    step({ bytes, start, end, flush }) {
      const room = output.waitRoom();
      const { bytes: memory, writeIndex } = output;
      const place = memory.subarray(writeIndex, writeIndex + room);
      const [produced, consumed] = call(place, bytes.subarray(start, end), flush);
      if (produced > 0) output.publish(produced);
      return { consumed, produced, full: produced === room };
    },
    close() {},
  });
  return {
    openDecoder(output) {
      const context = new zstd.DCtx();
      context.setParameter(zstd.DParameter.windowLogMax, WINDOW_LOG_MAX);
      return steps(output, (place, input) => {
        try {
          const [, produced, consumed] = context.decompressStream(place, input);
          return [produced, consumed];
        } catch (error) {
          throw new MemberError(error instanceof Error ? error.message : String(error));
        }
      });
    },
    openEncoder(output, level = LEVEL) {
      const context = new zstd.CCtx();
      context.setParameter(zstd.CParameter.compressionLevel, level);
      context.setParameter(zstd.CParameter.nbWorkers, WORKERS);
      context.setParameter(zstd.CParameter.jobSize, JOB_BYTES);
      context.setParameter(zstd.CParameter.checksumFlag, 1);
      return steps(output, (place, input, flush) => {
        const [, produced, consumed] = context.compressStream2(place, input, flush);
        return [produced, consumed];
      });
    },
  };
}

/** The types of Node 20 do not have these. */
interface NodeZstd {
  createZstdDecompress(options: object): zlib.InflateRaw;
  createZstdCompress(options: object): zlib.Gzip;
  readonly constants: Record<
    'ZSTD_d_windowLogMax' | 'ZSTD_c_compressionLevel' | 'ZSTD_c_checksumFlag',
    number
  >;
}

function nodeLibrary(): ZstdLibrary {
  const { createZstdDecompress, createZstdCompress, constants } = zlib as unknown as NodeZstd;
  return {
    openDecoder(output) {
      const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
      return new ZlibSteps(createZstdDecompress({ params }), output, (message) => new MemberError(message));
    },
    openEncoder(output, level = LEVEL) {
      const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
      const explain = (message: string) => new OverlayerError('Internal', `Cannot compress: ${message}`);
      return new ZlibSteps(createZstdCompress({ params }), output, explain);
    },
  };
}
