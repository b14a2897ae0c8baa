import { readdirSync } from 'node:fs';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { EventLoopBudget } from '../../base/event-loop-budget.js';
import { DEFAULT_LIMITS } from '../../base/limits.js';
import type { DiffID } from '../../oci/digest.js';
import { openLinuxSystem } from '../../system/linux.js';
import { meterSystem } from '../../system/metered-system.js';
import { runAlone } from '../worker/crew.js';
import { writeDiff } from '../worker/diff-trees.js';
import type { PackInput } from '../worker/jobs.js';
import { LayerWriter } from './layer-writer.js';

/**
 * Makes a layer file of an overlay's upperdir: a small one on the event loop, and else in one thread. The file does not
 * depend on the lower layers, except that it inherits a root that is as theirs.
 *
 * @param file a new file, which appears when it is complete. The caller flushes it
 * @param lowers the layer files below, nearest first
 * @throws OverlayerError as `createDiff` and `unpackLayer`
 * @throws `signal.reason` when the signal is aborted
 */
export async function packUpperdir(
  upper: string,
  file: string,
  { lowers, signal }: AbortableOptions & { readonly lowers: readonly string[] },
): Promise<void> {
  // The length of its path bounds the depth of an entry.
  const limits = { ...DEFAULT_LIMITS, maxPathDepth: DEFAULT_LIMITS.maxPathLength };
  const input = { upper, layerFiles: lowers, destination: file, limits };
  signal?.throwIfAborted();
  try {
    if (!(await isPackedHere(input))) await runAlone({ type: 'pack', ...input }, signal);
  } catch (error) {
    throw withoutLimitHint(error);
  }
}

/** A commit has no option that raises a limit. */
function withoutLimitHint(error: unknown): unknown {
  if (!OverlayerError.is(error) || error.option === undefined) return error;
  return new OverlayerError(error.code, error.message, {
    ...error,
    cause: error,
    hint: 'the backend erofs keeps a commit as a layer, which has the default limits: change the tree; the backend overlay commits it as it is',
  });
}

/** @returns false when it takes too long for the event loop. Nothing is left then */
async function isPackedHere(input: PackInput): Promise<boolean> {
  const { packLayerFile } = await import('../worker/layer-file-writer.js');
  const budget = new EventLoopBudget();
  try {
    packLayerFile(meterSystem(openLinuxSystem(), budget), input, () => budget.look());
    return true;
  } catch (error) {
    if (budget.isExceeded) return false;
    throw error;
  }
}

/** DiffID of the archive without entries: 1024 zeros. */
export const EMPTY_DIFF_ID: DiffID =
  'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/**
 * Whether the diff of an upperdir has no entries. Reads only an upperdir without names, which takes 0.1 ms: a thread takes
 * 1 ms.
 *
 * @param lowers the layer files below, nearest first
 */
export function isUnchanged(upper: string, lowers: readonly string[]): boolean {
  if (lowers.length === 0 || readdirSync(upper).length > 0) return false;
  let entries = 0;
  const output = {
    header() {
      entries += 1;
    },
    zeros() {},
    read: () => 0,
  };
  const system = openLinuxSystem();
  writeDiff(system, { upper, layerFiles: lowers }, new LayerWriter(system, output, undefined));
  return entries === 0;
}
