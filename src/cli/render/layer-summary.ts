import type { LayerResult } from '../../index.js';
import { anomalyNotes } from './anomaly-notes.js';
import { formatBytes, formatCount } from './format.js';
import { labelledRows } from './print-result.js';

/** A layer that was made has no anomalies. */
type SummarizedLayer = Omit<LayerResult, ReadOnly> & Partial<Pick<LayerResult, ReadOnly>>;
type ReadOnly = 'anomalies' | 'listsRoot';

/** The digests and sizes of a layer, in a few lines below `heading`. */
export function layerSummary(heading: string, layer: SummarizedLayer): string {
  const { digest, diffID, entries, whiteouts, anomalies } = layer;
  const counts = anomalies?.map(({ kind, count }) => `${kind} ${formatCount(count)}`);
  return labelledRows(heading, [
    ['digest', digest],
    ['diffID', diffID],
    ['size', sizes(layer)],
    ['entries', formatCount(entries)],
    ['whiteouts', formatCount(whiteouts)],
    ['anomalies', counts && (counts.join(', ') || 'none')],
    ...anomalyNotes(anomalies ?? []),
  ]);
}

function sizes({ compression, size, compressedSize }: SummarizedLayer): string {
  if (compression === 'none') return formatBytes(size);
  return `${formatBytes(size)} (${formatBytes(compressedSize)} as ${compression})`;
}
