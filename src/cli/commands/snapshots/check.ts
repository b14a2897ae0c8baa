import {
  type ChainID,
  type CheckFinding,
  type CheckReport,
  chainIDs,
  type DiffID,
  displayJson,
  displayPath,
  openSnapshotter,
  planLayer,
  type RebuildResult,
  rebuildMetadata,
} from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import { abortOnSignals, describeFailure, reportFailure, UsageError } from '../../failure.js';
import type { CheckFlags } from '../../flags/store-flags.js';
import { counted, formatBytes } from '../../render/format.js';
import { columns } from '../../render/list.js';
import { showCheck } from '../../render/progress/check-progress.js';
import { standardOutput } from '../../standard-streams.js';
import { existingSnapshots } from '../../with-root.js';

/** Compares snapshots with the disk, and repairs them. @returns the exit code: that of `DataLoss` for lasting damage */
export async function check(flags: CheckFlags): Promise<number> {
  const signal = abortOnSignals();
  try {
    if (flags.layer && !flags.repair) throw new UsageError("option '--layer' needs '--repair'");
    const root = existingSnapshots(flags);
    const rebuilt = flags.rebuild ? await rebuildMetadata({ root }) : undefined;
    if (rebuilt && !flags.json) standardOutput.write(rebuildText(rebuilt));
    const report = await checkRoot(flags, root, signal);
    standardOutput.write(flags.json ? json(report, rebuilt) : checkText(report));
    const lost = rebuilt !== undefined && rebuilt.lost.length > 0;
    return report.damaged || lost ? exitCode('DataLoss') : 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

async function checkRoot(flags: CheckFlags, root: string, signal: AbortSignal): Promise<CheckReport> {
  const { quick, repair, prune, dryRun, layer = [] } = flags;
  await using snapshots = await openSnapshotter({ root });
  const findLayer = layerFinder(layer, signal);
  const checking = snapshots.check({ signal, quick, prune, dryRun, repair: repair && findLayer });
  return await showCheck(checking, flags.progress);
}

/** Finds the file with the layer of a damaged snapshot. The files are read when the first one is wanted. */
function layerFinder(
  paths: readonly string[],
  signal: AbortSignal,
): (finding: CheckFinding) => Promise<string | undefined> {
  let reading: Promise<ReadonlyMap<DiffID, string>> | undefined;
  return async ({ diffID, snapshot, parent }) => {
    reading ??= readDiffIDs(paths, signal);
    const files = await reading;
    if (diffID !== undefined) return files.get(diffID);
    const below = parent === undefined ? [] : [parent as ChainID];
    return [...files].find(([layer]) => chainIDs([...below, layer]).at(-1) === snapshot)?.[1];
  };
}

async function readDiffIDs(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<DiffID, string>> {
  const files = new Map<DiffID, string>();
  for (const path of paths) {
    const { diffID } = await planLayer(path, { signal });
    if (diffID !== undefined) files.set(diffID, path);
  }
  return files;
}

function json(report: CheckReport, rebuilt: RebuildResult | undefined): string {
  const findings = report.findings.map(({ error, ...finding }) => ({
    ...finding,
    ...(error === undefined ? {} : { error: describeFailure(error) }),
  }));
  return `${displayJson({ ...report, findings, ...(rebuilt && { rebuilt }) }, 2)}\n`;
}

const OUTCOMES: Readonly<Record<CheckFinding['outcome'], string>> = {
  found: '',
  'would-repair': 'would be repaired',
  repaired: 'repaired',
  'would-prune': 'would be deleted',
  pruned: 'deleted',
  failed: 'failed',
};

function checkText({ snapshots, entries, bytes, findings, unverified }: CheckReport): string {
  const checked = [counted(snapshots, 'snapshot', 'snapshots'), counted(entries, 'entry', 'entries')];
  const result = findings.length === 0 ? 'nothing is wrong' : tally(findings);
  const lines = [`Checked ${checked.join(', ')}, ${formatBytes(bytes)} read: ${result}\n`];
  if (unverified.length > 0) {
    const unchecked = counted(unverified.length, 'snapshot has', 'snapshots have');
    lines.push(`${unchecked} no manifest and could not be checked\n`);
  }
  return `${findings.length === 0 ? '' : `${findingsTable(findings)}\n`}${lines.join('')}`;
}

function rebuildText({ recovered, lost, kept }: RebuildResult): string {
  const lines = [`Recovered ${counted(recovered.length, 'snapshot', 'snapshots')}`];
  for (const { directory, reason } of lost) lines.push(`Lost ${directory}: ${reason}`);
  if (kept !== undefined) lines.push(`The damaged metadata was moved to ${kept}`);
  return `${lines.map(displayPath).join('\n')}\n`;
}

function findingsTable(findings: readonly CheckFinding[]): string {
  const rows = findings.map(({ kind, snapshot = '', path, detail, outcome, error }) => [
    ...[kind, snapshot, path === '' ? '/' : path, detail],
    `${OUTCOMES[outcome]}${reason(error)}`,
  ]);
  return columns(['FINDING', 'SNAPSHOT', 'PATH', 'DETAIL', 'OUTCOME'], rows);
}

function reason(error: unknown): string {
  if (error === undefined) return '';
  return `: ${error instanceof Error ? error.message : String(error)}`;
}

/** `3 findings, 2 repaired, 1 deleted` */
function tally(findings: readonly CheckFinding[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of findings) {
    const text = OUTCOMES[outcome];
    if (text !== '') counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const outcomes = [...counts].map(([text, count]) => `${count} ${text}`);
  return [counted(findings.length, 'finding', 'findings'), ...outcomes].join(', ');
}
