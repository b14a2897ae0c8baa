import type { AnomalyKind, AnomalySummary } from '../../index.js';
import { formatCount } from './format.js';
import type { LabelledRow } from './print-result.js';

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
