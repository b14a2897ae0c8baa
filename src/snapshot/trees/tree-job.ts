import type { PlainError } from '../../base/errors.js';
import type { FileFacts } from '../../layer/manifest/file-facts.js';
import type { TreeDamage } from '../../layer/manifest/verify-tree.js';
import type { SnapshotUsage } from '../../metadata/snapshot-record.js';
import type { ConvertRequest } from './convert-whiteouts.js';
import type { InheritRequest } from './inherit-unlisted.js';
import type { MendRequest } from './mend-tree.js';
import type { VerifyRequest, VerifyResult } from './verify-snapshot.js';

/** Work on whole trees, done by a thread of its own so that the caller's event loop stays free. */
export type TreeJob =
  /** `to` is an empty directory. */
  | { readonly type: 'copy'; readonly from: string; readonly to: string }
  | { readonly type: 'measure'; readonly directory: string }
  /** Writes a manifest of it, and looks at what no facts are given of. */
  | {
      readonly type: 'manifest';
      readonly tree: string;
      readonly manifest: string;
      readonly facts?: FileFacts | undefined;
      readonly diffID?: string | undefined;
    }
  /** Attributes of the root of one layer for that of another, which does not list it. */
  | { readonly type: 'inherit'; readonly from: string; readonly to: string }
  | ({ readonly type: 'inherit-unlisted' } & InheritRequest)
  /** Never across a mount; fine when it is not there. */
  | { readonly type: 'remove'; readonly parent: string; readonly name: string }
  | ({ readonly type: 'convert-whiteouts' } & ConvertRequest)
  | ({ readonly type: 'verify' } & VerifyRequest)
  | ({ readonly type: 'mend' } & MendRequest);

export interface TreeResults {
  readonly copy: undefined;
  readonly measure: SnapshotUsage;
  /** As `writeManifest`. */
  readonly manifest: SnapshotUsage | undefined;
  readonly inherit: undefined;
  readonly 'inherit-unlisted': undefined;
  readonly remove: undefined;
  readonly 'convert-whiteouts': undefined;
  readonly verify: VerifyResult;
  readonly mend: readonly TreeDamage[];
}

export type TreeResponse =
  | { readonly type: 'done'; readonly result: TreeResults[TreeJob['type']] }
  | { readonly type: 'failed'; readonly error: PlainError };
