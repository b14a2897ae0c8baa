import { type AnomalyKind, type AnomalySummary, displayPath, type LayerResult } from '../../index.js';
import { formatBytes, formatCount } from './format.js';

type Row = readonly [label: string, value: string | undefined];

/** Of a layer that was made there are no anomalies to tell. */
type SummedUp = Omit<LayerResult, Optional> & Partial<Pick<LayerResult, Optional>>;
type Optional = 'anomalies' | 'listsRoot';

/** What a tree is without, or can't do: a count alone would not tell. */
const NOTES: { readonly [kind in AnomalyKind]?: string } = {
  'device-skipped': 'is left out: only root may make devices',
  'forged-whiteout': 'is left out: overlayfs would take a device 0:0 for a whiteout',
  'setgid-skipped': 'has no setgid bit: it could not get its group',
  'setuid-skipped': 'has no setuid bit: it could not get its owner',
  'whiteout-as-attribute':
    'had to be an attribute: in a container its directory can not be removed or renamed',
  'xattr-skipped': 'lacks an extended attribute',
};

/** What a whole layer came to, in a few lines under `heading`. */
export function summary(heading: string, result: SummedUp): string {
  const rows: Row[] = [
    ['digest', result.digest],
    ['diffID', result.diffID],
    ['size', sizes(result)],
    ['entries', formatCount(result.entries)],
    ['whiteouts', formatCount(result.whiteouts)],
    [
      'anomalies',
      result.anomalies &&
        (result.anomalies.map(({ kind, count }) => `${kind} ${formatCount(count)}`).join(', ') || 'none'),
    ],
    ...(result.anomalies ?? []).map((anomaly): Row => ['note', note(anomaly)]),
  ];
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`  ${label.padEnd(10)} ${value}\n`],
  );
  return `${heading}\n${lines.join('')}`;
}

/** About the first of them. */
function note({ kind, count, examples: [first] }: AnomalySummary): string | undefined {
  const text = NOTES[kind];
  if (text === undefined || first?.entry === undefined) return undefined;
  const detail = first.detail === undefined ? '' : ` (${first.detail})`;
  const more = count === 1 ? '' : `, and ${formatCount(count - 1)} more`;
  return `${displayPath(`${first.entry}${detail}`)} ${text}${more}`;
}

function sizes({ compression, size, compressedSize }: SummedUp): string {
  if (compression === 'none') return formatBytes(size);
  return `${formatBytes(size)} (${formatBytes(compressedSize)} as ${compression})`;
}
