import type { AnomalyKind, AnomalySummary, LayerResult } from '../../index.js';
import { formatBytes, formatCount } from './format.js';
import { type LabelledRow, labelledRows } from './print.js';

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

/** The anomalies that make a tree differ from its layers: a count alone would hide what is missing. */
const NOTES: { readonly [kind in AnomalyKind]?: string } = {
  'device-skipped': 'is left out: only root may create devices',
  'forged-whiteout': 'is left out: overlayfs would take a device 0:0 for a whiteout',
  'setgid-skipped': 'has no setgid bit, because its group could not be set',
  'setuid-skipped': 'has no setuid bit, because its owner could not be set',
  'whiteout-as-attribute':
    'is marked by an attribute: a container cannot remove or rename the directory that holds it',
  'xattr-skipped': 'lacks an extended attribute',
};

/** A row for each of these kinds, about its first example in all of the layers. */
export function anomalyNotes(anomalies: readonly AnomalySummary[]): readonly LabelledRow[] {
  return (Object.keys(NOTES) as AnomalyKind[]).flatMap((kind) => {
    const found = anomalies.filter((each) => each.kind === kind);
    const first = found[0]?.examples[0];
    if (first?.entry === undefined) return [];
    const count = found.reduce((sum, each) => sum + each.count, 0);
    const detail = first.detail === undefined ? '' : ` (${first.detail})`;
    const more = count === 1 ? '' : `, and ${formatCount(count - 1)} more`;
    return [['note', `${first.entry}${detail} ${NOTES[kind]}${more}`] as const];
  });
}
