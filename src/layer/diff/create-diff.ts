import { checkChoice, checkOptions, checkPath, describe } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { DataTask, type Task } from '../../base/task.js';
import type { Taken } from '../../base/threads/pool.js';
import type { DiffID } from '../../oci/digest.js';
import { LAYER_TYPES } from '../../oci/media-types.js';
import type { ErofsLayerInfo } from '../erofs/read-erofs-layer.js';
import type { Compression } from '../options.js';
import { type Crew, crews, drainRing, settleAll } from '../worker/crew.js';
import type { ArchiveSummary, DiffedTrees, DiffInput, EncodeInput } from '../worker/jobs.js';
import { INPUT_READERS, OUTPUT_READERS, reportProgress } from '../worker/pipeline.js';
import { CREATE_DIFF_OPTIONS, type CreateDiffOptions, type DiffResult, type DiffSource } from './options.js';

/**
 * Makes a layer of the difference between two trees, in worker threads and in bounded memory. The events are the bytes of
 * the layer.
 *
 * The layer turns `lower` into `upper`: contents, types, owners, modes, modification times to the nanosecond, extended
 * attributes and hard links, also of directories and of the root. It leaves out:
 *
 * - sockets, and names of users and groups
 * - holes of sparse files, which become zeros
 * - the attributes `security.selinux` and `system.nfs4_acl`, which belong to the host
 * - the id of a user namespace's root in capabilities (revision 3 becomes 2)
 *
 * Two files count as equal without a look at their content if everything else is equal, and their modification time has a
 * fraction of a second.
 *
 * The same trees always give the same archive. The compressed bytes depend on the library: zlib of the release of Node,
 * ISA-L where it is installed (without `compressionLevel`), or zstd-napi. They do not depend on the number of cores.
 *
 * @throws OverlayerError
 *   - `NotFound`: a directory does not exist, or a file was removed while it was read
 *   - `FailedPrecondition`: a name begins with `.wh.`, which no layer can hold; or a file changed while it was read
 *   - `Unimplemented`: the upperdir belongs to a mount with `redirect_dir` or `metacopy`
 *   - `InvalidArgument`: an argument is wrong
 *   - `PermissionDenied`: the system refused a file
 *   - `DataLoss`: the disk reported an input/output error
 * @throws `signal.reason` when the signal is aborted
 *
 * @example
 * const diff = createDiff({ lower: 'before', upper: 'after' });
 * await writeFile('layer.tar.gz', diff);
 * const { descriptor, diffID } = await diff;
 */
export function createDiff(
  source: DiffSource,
  options: CreateDiffOptions = {},
): Task<DiffResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('createDiff', options, CREATE_DIFF_OPTIONS);
    return yield* runDiff(source, options);
  });
}

/**
 * `createDiff` as a part of another diff, which has checked the names of the options.
 *
 * @param source a layer file gives its tar, byte for byte
 * @throws OverlayerError as `createDiff`; `DataLoss`: the tar in a layer file is damaged
 */
export async function* runDiff(
  source: DiffedTrees,
  options: CreateDiffOptions,
): AsyncGenerator<Uint8Array, DiffResult> {
  const request = checkRequest(source, options);
  using crew = await crews.take(options.signal);
  const { diff } = yield* runWith(crew, request, options);
  return diff;
}

/** A layer that is made and unpacked at once. */
export interface UnpackedDiff {
  readonly diff: DiffResult;
  readonly unpacked: ArchiveSummary;
}

/**
 * `runDiff` whose archive is unpacked while it is made: each byte of the trees is read once.
 *
 * @param unpack asks the apply thread for its part
 * @throws OverlayerError as `runDiff`, and the errors of `unpack`
 */
export async function* runUnpackedDiff(
  crew: Taken<Crew>,
  source: DiffedTrees,
  options: CreateDiffOptions,
  unpack: () => Promise<ArchiveSummary>,
): AsyncGenerator<Uint8Array, UnpackedDiff> {
  const { diff, unpacked } = yield* runWith(crew, checkRequest(source, options), options, unpack);
  return { diff, unpacked: unpacked! };
}

interface DiffRequest {
  readonly input: Omit<DiffInput, 'isUnpacked'>;
  readonly encode: EncodeInput;
}

/** @throws OverlayerError `InvalidArgument` */
function checkRequest(source: DiffedTrees, options: CreateDiffOptions): DiffRequest {
  const { compression = 'gzip', compressionLevel: level } = options;
  checkChoice('compression', compression, Object.keys(LAYER_TYPES.oci));
  checkLevel(compression, level);
  if (!isLayerFile(source)) checkSource(source);
  return { input: { source, latestSec: secondsOf(options.sourceDateEpoch) }, encode: { compression, level } };
}

/** JavaScript may pass anything. */
function isLayerFile(source: DiffInput['source']): source is ErofsLayerInfo {
  return typeof source === 'object' && source !== null && 'tar' in source;
}

async function* runWith(
  crew: Taken<Crew>,
  { input, encode }: DiffRequest,
  { signal, onProgress }: CreateDiffOptions,
  unpack?: () => Promise<ArchiveSummary>,
): AsyncGenerator<Uint8Array, { readonly diff: DiffResult; readonly unpacked: ArchiveSummary | undefined }> {
  const { pipeline, decode } = crew.item;
  const { gate } = pipeline;
  const { compression } = encode;
  const isUnpacked = unpack !== undefined;
  const differ = isUnpacked ? crew.item.differ : crew.item.apply;
  const isEncoded = isUnpacked || compression !== 'none';
  pipeline.reset();
  if (isUnpacked) pipeline.share();
  else if (isEncoded) pipeline.input.leave(INPUT_READERS.apply);
  const onAbort = () => gate.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const progress = reportProgress(pipeline, undefined, onProgress, () => {});
  const work = settleAll(
    gate,
    [
      differ.run({ type: 'diff', ...input, isUnpacked }),
      decode.run({ type: 'encode', ...encode, isUnpacked }),
      unpack?.(),
    ] as const,
    () => {},
  );
  work.catch(() => {});
  try {
    yield* isEncoded
      ? drainRing(crew, pipeline.output, OUTPUT_READERS.apply)
      : drainRing(crew, pipeline.input, INPUT_READERS.apply);
    const [{ whiteouts }, { digest, diffID }, unpacked] = await work;
    checkStored(input.source, `sha256:${diffID}`);
    const { bytes, compressedBytes, entries } = pipeline;
    const descriptor = {
      mediaType: LAYER_TYPES.oci[compression],
      digest: `sha256:${digest}`,
      size: compressedBytes,
    } as const;
    return { diff: { descriptor, diffID: `sha256:${diffID}`, size: bytes, entries, whiteouts }, unpacked };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (progress.failure() === undefined) await work; // throws the first thread's error, which tells more
    throw progress.failure() ?? error;
  } finally {
    // The threads share memory, so they must have ended before the next layer. The loop may have been left early.
    gate.abort();
    await work.catch(() => {});
    signal?.removeEventListener('abort', onAbort);
    progress.end();
  }
}

/** @throws OverlayerError `DataLoss`: the bytes from a layer file are not those that its head describes */
function checkStored(source: DiffInput['source'], actual: DiffID): void {
  if (!('tar' in source) || source.diffID === actual) return;
  throw new OverlayerError('DataLoss', `The tar in layer file "${source.path}" is damaged`, {
    hint: `overlayer layer verify ${source.path} names the damaged part`,
    expected: source.diffID,
    actual,
  });
}

/** @throws OverlayerError `InvalidArgument` */
function checkSource(source: Exclude<DiffedTrees, ErofsLayerInfo>): void {
  if (typeof source !== 'object' || source === null)
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot make a diff: the argument "source" is ${describe(source)}`,
      {
        hint: 'give { lower, upper }, or { lowers, upper } of an overlay mount',
      },
    );
  checkPath('source.upper', source.upper);
  if ('lowers' in source) for (const lower of source.lowers) checkPath('source.lowers', lower);
  else if ('lower' in source && source.lower !== undefined) checkPath('source.lower', source.lower);
}

/** Highest levels. */
const LEVELS: Readonly<Record<Compression, number>> = { none: 0, gzip: 9, zstd: 22 };

/** @throws OverlayerError `InvalidArgument` */
export function checkLevel(compression: Compression, level: number | undefined): void {
  if (level === undefined || (Number.isInteger(level) && level >= 1 && level <= LEVELS[compression])) return;
  const range =
    compression === 'none' ? 'none has no levels' : `${compression} has 1 to ${LEVELS[compression]}`;
  throw new OverlayerError('InvalidArgument', `Option compressionLevel is not a level: ${level} (${range})`);
}

function secondsOf(epoch: Date | undefined): number | undefined {
  if (epoch === undefined) return undefined;
  const seconds = Math.floor(epoch.getTime() / 1000);
  if (seconds >= 0) return seconds;
  throw new OverlayerError('InvalidArgument', `Not a time since 1970: sourceDateEpoch ${epoch}`);
}
