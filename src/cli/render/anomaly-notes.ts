import { type AnomalyKind, type AnomalySummary, displayPath } from '../../index.js';
import { formatCount } from './format.js';

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

/** A row for each kind that has to be known, about the first of them; of several layers together. */
export function anomalyNotes(
  anomalies: readonly AnomalySummary[],
): (readonly [label: 'note', text: string])[] {
  return (Object.keys(NOTES) as AnomalyKind[]).flatMap((kind) => {
    const found = anomalies.filter((each) => each.kind === kind);
    const first = found[0]?.examples[0];
    if (first?.entry === undefined) return [];
    const count = found.reduce((sum, each) => sum + each.count, 0);
    const detail = first.detail === undefined ? '' : ` (${first.detail})`;
    const more = count === 1 ? '' : `, and ${formatCount(count - 1)} more`;
    return [['note', `${displayPath(`${first.entry}${detail}`)} ${NOTES[kind]}${more}`] as const];
  });
}
