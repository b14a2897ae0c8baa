import type { OptionNames } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';

/**
 * Names with values, as containerd has them (core/metadata, labels): a label without a value does not exist; name and
 * value together have 4096 bytes at most.
 */
export type Labels = Readonly<Record<string, string>>;

/** Which labels an update changes. */
export interface UpdateOptions {
  /**
   * `labels`: all labels are replaced. `labels.NAME`: that label is set, or removed where the patch has no value for
   * it. Source of the rule: containerd's field mask (core/snapshots, Update).
   * @default ['labels']
   */
  readonly fieldpaths?: readonly string[] | undefined;
}

export const UPDATE_OPTIONS = {
  fieldpaths: 'strings',
} satisfies OptionNames<UpdateOptions>;

/** containerd's bound (core/labels, maxSize): name and value together. */
const MAX_LABEL_BYTES = 4096;

/**
 * The labels after an update, by containerd's rules for the mask (core/snapshots, Update).
 *
 * @param paths `labels`, or no path: all labels are replaced. `labels.NAME`: that label is set, or removed where
 * `patch` has
 *   no value for it
 * @throws OverlayerError `InvalidArgument` for a path to anything else
 */
export function updateLabels(labels: Labels, patch: Labels, paths: readonly string[]): Labels {
  let updated: Labels = paths.length === 0 ? patch : labels;
  for (const path of paths) {
    if (path === 'labels') updated = patch;
    else if (path.startsWith('labels.')) {
      const name = path.slice('labels.'.length);
      updated = { ...updated, [name]: labelOf(patch, name) ?? '' };
    } else
      throw new OverlayerError('InvalidArgument', `Cannot update "${path}"`, {
        hint: 'only labels can be updated: labels, labels.NAME',
      });
  }
  return checkLabels(withoutEmpty(updated));
}

/** Looks up a label by an untrusted name, which may be `__proto__` or `constructor`. */
export function labelOf(labels: Labels, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** A label without a value does not exist, as in containerd's store (boltutil.WriteLabels). */
function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

/** @throws OverlayerError `InvalidArgument` for a label without a name, or too long */
export function checkLabels(labels: Labels): Labels {
  for (const [name, value] of Object.entries(labels)) {
    if (name === '' || typeof value !== 'string')
      throw new OverlayerError('InvalidArgument', `Not a label: ${JSON.stringify({ [name]: value })}`);
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(value);
    if (bytes > MAX_LABEL_BYTES)
      throw new OverlayerError(
        'InvalidArgument',
        `Label "${name.slice(0, 64)}" has ${bytes} bytes with its value, of ${MAX_LABEL_BYTES} at most`,
      );
  }
  return labels;
}
