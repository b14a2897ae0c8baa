import { rmSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { LayerSource } from '../../layer/options.js';
import type { NamedRecord } from '../../metadata/snapshot-records.js';
import { ownerMap } from '../backends/id-mapping.js';
import type { SnapshotContents } from '../contents/contents.js';
import { contentsOf } from '../contents/known-contents.js';
import { LayerFill } from '../fill/layer-fill.js';
import { SNAPSHOT_REF_LABEL } from '../labels.js';
import type { StagedDirectory } from '../store/snapshot-directories.js';
import type { SnapshotRoot } from '../store/snapshot-root.js';
import type { CheckOptions, OpenFinding } from './check-report.js';

interface RepairOptions {
  readonly layerFor: NonNullable<CheckOptions['repair']>;
  readonly dryRun: boolean;
  readonly signal: AbortSignal | undefined;
}

const NEEDS_LAYER: readonly string[] = [
  'missing-directory',
  'missing',
  'modified',
  'added',
  'manifest',
  'layer-file',
];

/**
 * Repairs a committed snapshot: unpacks its layer again in a new directory, verifies it, and replaces the damaged files
 * from there. Sets the outcome of the findings.
 */
export async function repairSnapshot(
  root: SnapshotRoot,
  record: NamedRecord,
  findings: readonly OpenFinding[],
  { layerFor, dryRun, signal }: RepairOptions,
): Promise<void> {
  removeSpares(findings, dryRun);
  if (record.kind !== 'committed') return;
  const damaged = findings.filter(({ kind }) => NEEDS_LAYER.includes(kind));
  const layer =
    damaged[0] && ((await layerFor(damaged[0])) ?? (await storedLayer(root, record, damaged, signal)));
  const chosen = findings.filter(
    ({ kind }) => kind === 'record-file' || (layer !== undefined && NEEDS_LAYER.includes(kind)),
  );
  if (dryRun) {
    for (const finding of chosen) finding.outcome = 'would-repair';
    return;
  }
  try {
    const left = layer === undefined ? [] : await replaceDamage(root, record, damaged, layer, signal);
    const stillWrong = new Set(left.map(({ path }) => path));
    if (findings.some(({ kind }) => kind === 'record-file' || kind === 'manifest'))
      await root.writeRecordFile(root.directories.pathOf(record.id), record);
    for (const finding of chosen) if (!stillWrong.has(finding.path)) finding.outcome = 'repaired';
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    for (const finding of chosen) Object.assign(finding, { outcome: 'failed', error });
  }
}

function removeSpares(findings: readonly OpenFinding[], dryRun: boolean): void {
  for (const finding of findings.filter(({ kind }) => kind === 'merged-file'))
    try {
      if (!dryRun) rmSync(finding.path, { force: true });
      finding.outcome = dryRun ? 'would-repair' : 'repaired';
    } catch (error) {
      Object.assign(finding, { outcome: 'failed', error });
    }
}

async function storedLayer(
  { backend, directories }: SnapshotRoot,
  { id }: NamedRecord,
  damaged: readonly OpenFinding[],
  signal: AbortSignal | undefined,
): Promise<LayerSource | undefined> {
  return await contentsOf(backend)?.storedLayer?.(directories.pathOf(id), diffIDOf(damaged), { signal });
}

function diffIDOf(damaged: readonly OpenFinding[]): OpenFinding['diffID'] {
  return damaged.find((finding) => finding.diffID !== undefined)?.diffID;
}

/** @returns the damage that is left */
async function replaceDamage(
  root: SnapshotRoot,
  record: NamedRecord,
  damaged: readonly OpenFinding[],
  layer: LayerSource,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly path: string }[]> {
  const { directories, backend } = root;
  const contents = contentsOf(backend);
  if (contents === undefined)
    throw new OverlayerError('Unimplemented', `Snapshots of the backend "${backend.name}" can't be repaired`);
  const staged = directories.stage();
  let published = false;
  try {
    await unpackAnew(root, contents, { record, staged, layer }, { diffID: diffIDOf(damaged), signal });
    const directory = directories.pathOf(record.id);
    if (damaged.some(({ kind }) => kind === 'missing-directory')) {
      await root.writeRecordFile(staged.path, record);
      await directories.remove(String(record.id));
      await staged.publish(record.id);
      published = true;
      await (await contents.committed?.(directory))?.freed;
      return [];
    }
    return await contents.mend(directory, staged.path, damaged);
  } finally {
    if (!published) await staged.discard().catch(() => {}); // else `cleanup` removes it
    staged.release();
  }
}

interface Unpack {
  readonly record: NamedRecord;
  readonly staged: StagedDirectory;
  readonly layer: LayerSource;
}

async function unpackAnew(
  root: SnapshotRoot,
  contents: SnapshotContents,
  { record, staged, layer }: Unpack,
  wanted: Pick<OpenFinding, 'diffID'> & { readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { backend } = root;
  // The layer is unpacked again, also where the backend has it.
  const { [SNAPSHOT_REF_LABEL]: _, ...labels } = record.labels;
  const parents = root.store.read((transaction) => root.ancestors(transaction, record.parent));
  const directory = staged.path;
  const snapshot = { directory, parents, kind: 'active', labels, readOnly: false } as const;
  await backend.create(snapshot);
  const place = contents.placeIn(directory, parents);
  using fill = LayerFill.begin(place, { snapshot: { backend, directory }, temporary: true });
  await fill.apply(layer, { ...wanted, owners: ownerMap(labels), sync: false });
  await contents.settle(snapshot, await fill.seal());
}
