import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { LayerSource } from '../../layer/options.js';
import { getAncestors, type NamedRecord } from '../../metadata/snapshot-records.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { ownerMap } from '../backends/id-mapping.js';
import { LayerFill } from '../fill/layer-fill.js';
import type { StagedDirectory } from '../store/snapshot-directories.js';
import { hasKnownLayout, manifestOf, treeOf, writeRecordFile } from '../store/snapshot-files.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { CheckContext, CheckOptions, OpenFinding } from './check-report.js';

interface RepairOptions {
  readonly layerFor: NonNullable<CheckOptions['repair']>;
  readonly dryRun: boolean;
  readonly signal: AbortSignal | undefined;
}

const NEEDS_LAYER: readonly string[] = ['missing-directory', 'missing', 'modified', 'added', 'manifest'];

/**
 * Repairs a committed snapshot: unpacks its layer again in a new directory, verifies it, and replaces the damaged files
 * from there. Sets the outcome of the findings.
 */
export async function repairSnapshot(
  context: CheckContext,
  record: NamedRecord,
  findings: readonly OpenFinding[],
  { layerFor, dryRun, signal }: RepairOptions,
): Promise<void> {
  if (record.kind !== 'committed') return;
  const damaged = findings.filter(({ kind }) => NEEDS_LAYER.includes(kind));
  const layer = damaged[0] && (await layerFor(damaged[0]));
  const chosen = findings.filter(
    ({ kind }) => kind === 'record-file' || (layer !== undefined && NEEDS_LAYER.includes(kind)),
  );
  if (dryRun) {
    for (const finding of chosen) finding.outcome = 'would-repair';
    return;
  }
  try {
    const left = layer === undefined ? [] : await replaceDamage(context, record, damaged, layer, signal);
    const stillWrong = new Set(left.map(({ path }) => path));
    if (findings.some(({ kind }) => kind === 'record-file' || kind === 'manifest'))
      await restoreRecordFile(context, record);
    for (const finding of chosen) if (!stillWrong.has(finding.path)) finding.outcome = 'repaired';
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    for (const finding of chosen) Object.assign(finding, { outcome: 'failed', error });
  }
}

/** @returns the damage that is left */
async function replaceDamage(
  context: CheckContext,
  record: NamedRecord,
  damaged: readonly OpenFinding[],
  layer: LayerSource,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly path: string }[]> {
  const { directories } = context;
  const staged = directories.stage();
  let published = false;
  try {
    const diffID = damaged.find((finding) => finding.diffID !== undefined)?.diffID;
    await unpackAnew(context, record, staged, layer, { diffID, signal });
    const directory = directories.pathOf(record.id);
    if (damaged.some(({ kind }) => kind === 'missing-directory')) {
      await writeRecordFile(staged.path, { ...record, backend: context.backend.name });
      await directories.remove(String(record.id));
      await staged.publish(record.id);
      published = true;
      return [];
    }
    const anew = damaged.some(({ kind }) => kind === 'manifest');
    const scratch = join(staged.path, 'scratch');
    await mkdir(scratch);
    const manifest = manifestOf(anew ? staged.path : directory);
    const spare = treeOf(staged.path);
    const left = await treeThreads.run({ type: 'mend', tree: treeOf(directory), spare, scratch, manifest });
    if (anew && left.length === 0) {
      await rename(manifest, manifestOf(directory));
      await syncDirectory(directory);
    }
    return left;
  } finally {
    if (!published) await staged.discard().catch(() => {}); // else `cleanup` removes it
    staged.release();
  }
}

async function unpackAnew(
  { store, directories, backend }: CheckContext,
  record: NamedRecord,
  staged: StagedDirectory,
  layer: LayerSource,
  wanted: Pick<OpenFinding, 'diffID'> & { readonly signal: AbortSignal | undefined },
): Promise<void> {
  const parents = store.read((transaction) =>
    getAncestors(transaction, record).map(({ id }) => directories.pathOf(id)),
  );
  const { labels } = record;
  if (!hasKnownLayout(backend.name))
    throw new OverlayerError('Unimplemented', `Snapshots of the backend "${backend.name}" can't be repaired`);
  await backend.create({ directory: staged.path, parents, kind: 'active', labels, readOnly: false });
  const destination = treeOf(staged.path);
  const place =
    backend.name === 'overlay'
      ? ({ destination, target: 'overlay', lowers: parents.map(treeOf) } as const)
      : ({ destination, existing: 'merge' } as const);
  using fill = LayerFill.begin(place, { snapshot: { backend, directory: staged.path }, temporary: true });
  await fill.apply(layer, { ...wanted, owners: ownerMap(labels), sync: false });
  await fill.seal();
}

async function restoreRecordFile({ directories, backend }: CheckContext, record: NamedRecord): Promise<void> {
  await writeRecordFile(directories.pathOf(record.id), { ...record, backend: backend.name });
}
