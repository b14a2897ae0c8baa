import Table from 'cli-table3';
import { type CheckFinding, type CheckReport, displayPath, type RebuildResult } from '../../index.js';
import { counted, formatBytes } from './format.js';

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    [side, `${side}-mid`, `${side}-left`, `${side}-right`, `${side}-mid`].map((name) => [name, '']),
  ),
);
/** `found` goes without saying. */
const OUTCOMES: Readonly<Record<CheckFinding['outcome'], string>> = {
  found: '',
  'would-repair': 'would be repaired',
  repaired: 'repaired',
  'would-prune': 'would be freed',
  pruned: 'freed',
  failed: 'failed',
};

/** Findings as a table, and what it comes to. */
export function checkText(report: CheckReport): string {
  const { findings, unverified } = report;
  const checked = `Checked ${counted(report.snapshots, 'snapshot', 'snapshots')}, ${counted(report.entries, 'entry', 'entries')}, ${formatBytes(report.bytes)} read`;
  const lines = [`${checked}: ${findings.length === 0 ? 'nothing is wrong' : tally(findings)}`];
  if (unverified.length > 0)
    lines.push(
      `${counted(unverified.length, 'snapshot has', 'snapshots have')} no manifest, and could not be judged`,
    );
  return `${findings.length === 0 ? '' : `${table(findings)}\n\n`}${lines.join('\n')}\n`;
}

export function rebuildText({ recovered, lost, kept }: RebuildResult): string {
  const lines = [`Recovered ${counted(recovered.length, 'snapshot', 'snapshots')}`];
  for (const { directory, reason } of lost) lines.push(`Lost ${directory}: ${reason}`);
  if (kept !== undefined) lines.push(`The damaged metadata are in ${kept}`);
  return `${lines.map(displayPath).join('\n')}\n`;
}

function table(findings: readonly CheckFinding[]): string {
  const rows = new Table({
    head: ['FINDING', 'SNAPSHOT', 'PATH', 'DETAIL', 'OUTCOME'],
    chars: { ...NO_LINES, middle: '  ' },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  for (const { kind, snapshot = '', path, detail, outcome, error } of findings)
    rows.push(
      [kind, snapshot, path === '' ? '/' : path, detail, `${OUTCOMES[outcome]}${reason(error)}`].map(
        displayPath,
      ),
    );
  return rows.toString().replace(/ +$/gm, '');
}

function reason(error: unknown): string {
  if (error === undefined) return '';
  return `: ${error instanceof Error ? error.message : String(error)}`;
}

/** `3 findings, 2 repaired, 1 freed` */
function tally(findings: readonly CheckFinding[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of findings) {
    const text = OUTCOMES[outcome];
    if (text !== '') counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const outcomes = [...counts].map(([text, count]) => `${count} ${text}`);
  return [counted(findings.length, 'finding', 'findings'), ...outcomes].join(', ');
}
