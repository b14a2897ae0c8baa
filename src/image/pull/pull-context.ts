import type { Limits } from '../../base/limits.js';
import type { ImageSource } from '../source/image-source.js';
import type { StoreParts } from '../store/store-parts.js';
import type { PullLease } from './pull-lease.js';

/** What the parts of one pull have in common. */
export interface PullContext {
  readonly parts: StoreParts;
  readonly source: ImageSource;
  readonly lease: PullLease;
  /** Of layers, in the content store. */
  readonly keepBlobs: boolean;
  /** Of each layer. */
  readonly limits: Partial<Limits> | undefined;
  readonly signal: AbortSignal;
}
