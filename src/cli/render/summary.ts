import type { LayerResult } from '../../index.js';
import { anomalyNotes } from './anomaly-notes.js';
import { formatBytes, formatCount } from './format.js';

/** Of a layer that was made there are no anomalies to tell. */
type SummedUp = Omit<LayerResult, Optional> & Partial<Pick<LayerResult, Optional>>;
type Optional = 'anomalies' | 'listsRoot';

/** What a whole layer came to, in a few lines under `heading`. */
export function summary(heading: string, result: SummedUp): string {
  const rows: (readonly [label: string, value: string | undefined])[] = [
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
    ...anomalyNotes(result.anomalies ?? []),
  ];
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`  ${label.padEnd(10)} ${value}\n`],
  );
  return `${heading}\n${lines.join('')}`;
}

function sizes({ compression, size, compressedSize }: SummedUp): string {
  if (compression === 'none') return formatBytes(size);
  return `${formatBytes(size)} (${formatBytes(compressedSize)} as ${compression})`;
}
