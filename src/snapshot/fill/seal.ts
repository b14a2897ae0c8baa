import type { DescribedContents } from '../contents/contents.js';
import type { CommitOptions } from '../snapshotter.js';

/** A fill's knowledge of a snapshot that it has filled with one layer. The commit need not find it out again. */
export interface Seal {
  /** The contents are described, and nothing else has written to them since. @default unknown */
  readonly described?: DescribedContents | undefined;
  /**
   * The layer does not list the root directory. Under a late parent it therefore takes owner, mode, attributes and
   * times of the parent's.
   * @default unknown: see `Snapshotter.commit`
   */
  readonly inheritsRoot?: boolean | undefined;
}

/** Seals are kept beside the options. As a public option, only a fill could use a seal correctly. */
const SEALS = new WeakMap<CommitOptions, Seal>();

/**
 * Options of a commit with what the fill knows. A snapshotter that passes on a copy of the options loses the seal: its
 * commit reads the contents again.
 */
export function sealed(options: CommitOptions, seal: Seal): CommitOptions {
  SEALS.set(options, seal);
  return options;
}

/** A seal is taken once: options that are used again may belong to another snapshot. */
export function takeSeal(options: CommitOptions): Seal {
  const seal = SEALS.get(options) ?? {};
  SEALS.delete(options);
  return seal;
}
