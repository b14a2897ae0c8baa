import { Deferred } from '../../base/deferred.js';
import type { LayerResult, LayerSource } from '../../layer/options.js';
import { type Admit, type EntryEvent, readEntries } from '../../layer/read-entries.js';
import type { Digest } from '../../oci/digest.js';
import type { ExploreOptions, StackLayer } from '../open-stack.js';

/**
 * Reads a layer of a stack entry by entry. The layer is closed when the generator ends, also where the loop is left early.
 *
 * @throws OverlayerError as `readEntries` and `StackLayer.read`
 */
export async function* readStackLayer<Admitted>(
  layer: StackLayer,
  { signal, limits }: ExploreOptions,
  admit: Admit<Admitted>,
): AsyncGenerator<EntryEvent<Admitted>, void, void> {
  const opened = new Deferred<{ readonly bytes: LayerSource; readonly digest: Digest | undefined }>();
  const read = new Deferred<LayerResult>();
  const work = layer.read({ signal }, (bytes, { digest }) => {
    opened.resolve({ bytes, digest });
    return read.promise;
  });
  work.catch(opened.reject);
  try {
    const { bytes, digest } = await opened.promise;
    read.resolve(yield* readEntries(bytes, { digest, limits, signal }, admit));
  } catch (error) {
    read.reject(error); // the work throws it with the digest of the layer
  } finally {
    read.reject(new Error('The layer was left before its end'));
    await work.catch(() => {});
  }
  await work;
}
