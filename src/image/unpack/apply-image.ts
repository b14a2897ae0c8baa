import { join } from 'node:path';
import { checkChoice } from '../../base/check-arguments.js';
import type { Tell } from '../../base/task.js';
import { withContext } from '../../base/with-context.js';
import type { LayerResult } from '../../layer/options.js';
import { type ApplyLayerOptions, applyLayer, warmUp } from '../../layer/unpack-layer.js';
import { parseDigest } from '../../oci/digest.js';
import { hostPlatform } from '../../oci/platform.js';
import { Destination } from '../../rootfs/destination.js';
import { flushFileSystem } from '../../snapshot/fill/flush-point.js';
import { openLinuxSystem } from '../../system/linux.js';
import { type ChosenManifest, chooseManifest, documentsOf } from '../pull/choose-manifest.js';
import { stateOf } from '../pull/fetch-layer.js';
import { isForCaller, LayersAhead } from '../pull/layers-ahead.js';
import { type LayerState, type PlannedLayer, type PullEvent, tellPassedOver } from '../pull/pull-event.js';
import { readIntoMemory, readLayer } from '../pull/read-layer.js';
import { readDocument } from '../source/blob-bytes.js';
import { onlyImage, planLayers } from '../source/image-contents.js';
import type { ImageSource } from '../source/image-source.js';
import { AdmittedImage } from '../store/admit-image.js';
import type { UnpackedImage, UnpackImageOptions } from './options.js';

/** Unpacks the only image of a source. See `unpackImage`. */
export async function unpackOnly(
  source: ImageSource,
  directory: string,
  options: UnpackImageOptions,
  tell: Tell<PullEvent>,
): Promise<UnpackedImage> {
  const { signal } = options;
  const { name, target } = onlyImage(await source.images({ signal }), source.description);
  tellPassedOver(source, tell);
  const image = await AdmittedImage.admit(name ?? target.digest, target, options);
  return { ...(await applyImage(source, image, directory, options, tell)), name };
}

/** Unpacks one image. See `unpackImage`. */
export async function applyImage(
  source: ImageSource,
  { name, target }: AdmittedImage,
  directory: string,
  options: UnpackImageOptions,
  tell: Tell<PullEvent>,
): Promise<Omit<UnpackedImage, 'name'>> {
  const { platform = hostPlatform(), target: form = 'directory', thread = 'worker', signal } = options;
  checkChoice('target', form, ['directory', 'erofs']);
  checkChoice('thread', thread, ['worker', 'caller']);
  const ahead = new LayersAhead((layer, during) => readIntoMemory(source, layer, during), 1, signal);
  const documents = documentsOf(
    (descriptor) => readDocument(source, descriptor, { signal }),
    (manifest) => ahead.begin(source, manifest.layers),
  );
  try {
    const chosen = await chooseManifest(name, target, platform, documents);
    return await applyChosen(source, { name, chosen, ahead }, directory, options, tell);
  } finally {
    await ahead.end();
  }
}

interface ChosenImage {
  readonly name: string;
  readonly chosen: ChosenManifest;
  readonly ahead: LayersAhead<Uint8Array>;
}

async function applyChosen(
  source: ImageSource,
  { name, chosen, ahead }: ChosenImage,
  directory: string,
  options: UnpackImageOptions,
  tell: Tell<PullEvent>,
): Promise<Omit<UnpackedImage, 'name'>> {
  const { target: form, signal, sync = true } = options;
  const layers = planLayers(chosen);
  const { config, manifest } = chosen;
  const thread = isForCaller(options.thread, manifest.layers) ? 'caller' : 'worker';
  // The threads start while the first layer is requested.
  if (thread === 'worker') warmUp();
  tell({ type: 'plan', name, manifest: chosen.descriptor, platform: config.platform, layers });
  const destination = Destination.open(openLinuxSystem(), directory, 'refuse');
  try {
    const place = `/proc/self/fd/${destination.descriptor}`;
    const files = form === 'erofs' ? layers.map(fileName) : undefined;
    const results: LayerResult[] = [];
    for (const [index, layer] of layers.entries()) {
      const onState = (state: LayerState) => tell({ type: 'progress', index, ...state }, index);
      const where = files === undefined ? inDirectory(place) : inFile(place, files, index);
      const result = await unpackOne(source, layer, where, { ...options, thread, ahead, onState });
      tell({ type: 'commit', index, chainID: layer.chainID, layer: result });
      results.push(result);
    }
    const isTree = files === undefined;
    if (isTree && destination.kind === 'new' && !results.some(({ listsRoot }) => listsRoot))
      showRoot(destination);
    // Flushes outside of the event loop: `commit` has little left to flush. (`place` itself is a symlink.)
    if (sync) await flushFileSystem(`${place}/.`, directory);
    signal?.throwIfAborted();
    destination.commit(sync);
    return { platform: config.platform, layers: results, files };
  } catch (error) {
    throw withContext(error, { hint: destination.discard() });
  }
}

/** Where a layer goes. */
interface LayerPlace extends Pick<ApplyLayerOptions, 'target' | 'lowers' | 'existing' | 'flushSoon'> {
  readonly destination: string;
}

function inDirectory(directory: string): LayerPlace {
  return { destination: directory, existing: 'merge' };
}

/** A layer may need those below it: a path may lead through their symlinks, and a hard link to their files. */
function inFile(directory: string, files: readonly string[], index: number): LayerPlace {
  const paths = files.map((file) => join(directory, file));
  const lowers = paths.slice(0, index).reverse();
  return { destination: paths[index]!, target: 'erofs', lowers, flushSoon: true };
}

/** Sorted by name, the lowest layer is the first: `00-HEX.erofs`. */
function fileName({ diffID }: PlannedLayer, index: number): string {
  return `${String(index).padStart(2, '0')}-${parseDigest(diffID).slice('sha256:'.length)}.erofs`;
}

/** Gives a root that no layer lists the attributes that `unpackLayer` gives it. */
function showRoot({ descriptor }: Destination): void {
  const system = openLinuxSystem();
  system.chmod(descriptor, 0o755);
  system.setTimes(descriptor, { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 });
}

async function unpackOne(
  source: ImageSource,
  layer: PlannedLayer,
  { destination, ...place }: LayerPlace,
  options: UnpackImageOptions &
    Pick<ChosenImage, 'ahead'> & { readonly onState: (state: LayerState) => void },
): Promise<LayerResult> {
  const { signal, limits, rootless, thread, ahead, onState } = options;
  const { descriptor, diffID } = layer;
  const reading = { digest: descriptor.digest, diffID, limits, rootless, signal, thread, sync: false };
  const result = await readLayer(
    source,
    descriptor,
    { signal, ahead, onState },
    async (bytes, onProgress) => {
      const applied = { ...reading, ...place, temporary: true, onProgress };
      return (await applyLayer(bytes, destination, applied)).layer;
    },
  );
  onState({ phase: 'committing', ...stateOf(layer, result) });
  return result;
}
