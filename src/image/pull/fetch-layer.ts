import { isCode } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { LayerProgress, LayerResult, LayerSource } from '../../layer/options.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Unpack } from '../../snapshot/fill/fill-snapshot.js';
import { UNCOMPRESSED_LABEL } from '../../snapshot/labels.js';
import { bytesOf, isFile, openLayer, otherSize, readWhole } from '../source/blob-bytes.js';
import { CountedBytes } from './counted-bytes.js';
import { openBlobIngest, type PullContext } from './pull-context.js';
import type { LayerState, PlannedLayer } from './pull-event.js';
import { SpooledBytes } from './spooled-bytes.js';
import { SupplyWatch } from './supply-watch.js';

/** Receives the progress of one layer. */
interface LayerListener {
  onState(state: LayerState): void;
  /** The network is slower than unpacking. */
  onStarved(): void;
}

/** Bytes of an earlier pull were damaged and have been deleted: the layer has to be fetched again. */
export class StaleBytesError extends Error {
  override readonly name = 'StaleBytesError';
}

/**
 * Unpacks and verifies a layer from the content store, or from the source while it is fetched. A complete or partial blob
 * of an earlier pull is not fetched again.
 *
 * @throws StaleBytesError
 */
export async function fetchLayer(
  context: PullContext,
  layer: PlannedLayer,
  unpack: Unpack,
  { onState, onStarved }: LayerListener,
): Promise<LayerResult> {
  using watch = new SupplyWatch(onStarved);
  const ahead = context.ahead?.take(layer.descriptor);
  const isFresh = ahead !== undefined && (await watch.wait(ahead));
  const read: Read = (source, come) => readLayer(context, layer, unpack, { source, come, onState });
  const stored = await readStored(context, layer, read);
  if (stored !== undefined) return stored;
  return await (context.keepBlobs
    ? readAndKeep(context, layer, { read, watch, onState, isFresh })
    : readOnce(context, layer, { read, watch }));
}

/**
 * @param come returns the number of bytes of the blob so far, including those of earlier pulls; undefined when the whole
 *   blob is present
 */
type Read = (source: LayerSource, come?: () => number) => Promise<LayerResult>;

interface Fetching {
  readonly read: Read;
  readonly watch: SupplyWatch;
}

/** @returns undefined when the store does not have the blob */
async function readStored(
  { parts: { content }, signal }: PullContext,
  { descriptor: { digest } }: PlannedLayer,
  read: Read,
): Promise<LayerResult | undefined> {
  const path = await ifFound(content.path(digest));
  if (path === undefined) return undefined;
  try {
    return await read(path);
  } catch (error) {
    if (!isDataLoss(error) || (await content.verify(digest, { signal })).state === 'whole') throw error;
    await content.delete(digest);
    throw new StaleBytesError(`blob ${digest} is damaged`, { cause: error });
  }
}

async function readOnce(
  { source, signal }: PullContext,
  { descriptor }: PlannedLayer,
  { read, watch }: Fetching,
): Promise<LayerResult> {
  const { bytes } = await watch.wait(openLayer(source, descriptor, { signal }));
  // Worker threads read a file range without this thread.
  if (isFile(bytes)) return await read(bytes);
  const counted = new CountedBytes(descriptor, bytesOf(bytes), watch);
  try {
    return await read(counted, () => counted.count);
  } finally {
    counted.cancel();
  }
}

interface Keeping extends Fetching, Pick<LayerListener, 'onState'> {
  /** This pull has fetched the bytes of the ingest itself. */
  readonly isFresh: boolean;
}

async function readAndKeep(
  context: PullContext,
  layer: PlannedLayer,
  { read, watch, onState, isFresh }: Keeping,
): Promise<LayerResult> {
  const { source, signal, lease } = context;
  const { descriptor, diffID } = layer;
  const { digest, size } = descriptor;
  try {
    return await openBlobIngest(context, `layer-${digest}`, { digest, size }, async (ingest) => {
      const earlier = ingest.offset;
      try {
        let rest: LayerSource = new Uint8Array();
        if (earlier < size || size === 0) {
          const { bytes, offset } = await watch.wait(
            openLayer(source, descriptor, { offset: earlier, signal }),
          );
          if (offset < earlier) await ingest.truncate(offset);
          rest = bytes;
        }
        const isLocal = isFile(rest);
        const spooled = new SpooledBytes(descriptor, bytesOf(rest), { ingest, watch, runsAhead: !isLocal });
        let result: LayerResult;
        try {
          result = await read(spooled, isLocal ? undefined : () => spooled.count);
          await spooled.written();
        } finally {
          await spooled.leave();
        }
        onState({ ...stateOf(layer, result), phase: 'verifying' });
        lease.noteMade({ type: 'content', id: digest });
        const labels = { [UNCOMPRESSED_LABEL]: diffID };
        await ingest.commit({ digest, size, hashed: result.digest, labels, signal });
        return result;
      } catch (error) {
        if (!isDataLoss(error)) throw error;
        await ingest.truncate();
        if (earlier === 0 || isFresh) throw error;
        throw new StaleBytesError(`what there was of blob ${digest} is damaged`, { cause: error });
      }
    });
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error;
    // Another pull has fetched the blob while this one waited for the lock.
    const stored = await readStored(context, layer, read);
    if (stored === undefined) throw error;
    return stored;
  }
}

/**
 * Fetches a small layer into its ingest before its turn. Holds the lock of the ingest only meanwhile: a pull that waits for
 * a turn with a lock could wait for ever for another one.
 *
 * @returns whether it was fetched: otherwise the store has its bytes, or some of them
 */
export async function fetchIntoIngest(context: PullContext, layer: Descriptor): Promise<boolean> {
  const { source, signal } = context;
  const { digest, size } = layer;
  try {
    return await openBlobIngest(context, `layer-${digest}`, { digest, size }, async (ingest) => {
      if (ingest.offset > 0) return false;
      const { bytes } = await openLayer(source, layer, { signal });
      for await (const chunk of new CountedBytes(layer, bytesOf(bytes))) await ingest.write(chunk);
      return true;
    });
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error;
    return false;
  }
}

interface LayerReading {
  readonly source: LayerSource;
  readonly come: (() => number) | undefined;
  readonly onState: (state: LayerState) => void;
}

async function readLayer(
  { limits, signal, thread }: PullContext,
  layer: PlannedLayer,
  unpack: Unpack,
  { source, come, onState }: LayerReading,
): Promise<LayerResult> {
  const { descriptor, diffID } = layer;
  const { digest, size } = descriptor;
  const result = await unpack(thread === 'caller' ? await whole(source) : source, {
    thread,
    digest,
    diffID,
    limits,
    signal,
    onProgress: (progress) => onState(stateWhileRead(descriptor, progress, come?.())),
  });
  if (result.compressedSize !== size) throw otherSize(descriptor, String(result.compressedSize));
  return result;
}

/** The caller's thread unpacks files and buffers only. */
async function whole(source: LayerSource): Promise<LayerSource> {
  return isFile(source) ? source : await readWhole(bytesOf(source));
}

/** The progress of a layer that is unpacked. */
export function stateOf({ descriptor }: PlannedLayer, result: LayerResult): Omit<LayerState, 'phase'> {
  const { size } = descriptor;
  return { compressedBytes: size, compressedSize: size, bytes: result.size, entries: result.entries };
}

/** @param come the number of bytes of the blob so far; undefined when the whole blob is present */
export function stateWhileRead(
  { size }: Descriptor,
  progress: LayerProgress,
  come: number | undefined,
): LayerState {
  const phase = come !== undefined && come < size ? 'downloading' : 'unpacking';
  return { ...progress, phase, compressedBytes: come ?? progress.compressedBytes, compressedSize: size };
}

function isDataLoss(error: unknown): boolean {
  return isCode(error, 'DataLoss');
}
