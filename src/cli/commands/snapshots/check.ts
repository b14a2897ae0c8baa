import {
  type CheckReport,
  displayJson,
  openSnapshotter,
  type RebuildResult,
  rebuildMetadata,
} from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import { abortOnSignals } from '../../interruption.js';
import { checkText, rebuildText } from '../../render/check-text.js';
import { describeFailure, reportFailure } from '../../report-failure.js';
import { LayerFiles } from './layer-files.js';
import type { CheckFlags } from './snapshots-check.js';
import { existingSnapshots } from './with-snapshots.js';

/** @returns the exit code */
export async function check(flags: CheckFlags): Promise<number> {
  const signal = abortOnSignals();
  try {
    const root = existingSnapshots(flags);
    const rebuilt = flags.rebuild ? await rebuildMetadata({ root }) : undefined;
    if (rebuilt && !flags.json) process.stdout.write(rebuildText(rebuilt));
    const report = await checkRoot(flags, root, signal);
    process.stdout.write(flags.json ? json(report, rebuilt) : checkText(report));
    const lost = rebuilt !== undefined && rebuilt.lost.length > 0;
    return report.damaged || lost ? exitCode('DataLoss') : 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

async function checkRoot(flags: CheckFlags, root: string, signal: AbortSignal): Promise<CheckReport> {
  const { quick, repair, prune, dryRun, layer = [] } = flags;
  await using snapshots = await openSnapshotter({ root });
  const files = new LayerFiles(layer, signal);
  return await snapshots.check({
    signal,
    quick,
    prune,
    dryRun,
    repair: repair && ((finding) => files.find(finding)),
  });
}

function json(report: CheckReport, rebuilt: RebuildResult | undefined): string {
  const findings = report.findings.map(({ error, ...finding }) => ({
    ...finding,
    ...(error === undefined ? {} : { error: describeFailure(error) }),
  }));
  return `${displayJson({ ...report, findings, ...(rebuilt && { rebuilt }) }, 2)}\n`;
}
