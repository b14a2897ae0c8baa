import { isDeepStrictEqual } from 'node:util';
import type { AbortableOptions } from '../../base/abort.js';
import { createDiff } from '../../layer/diff/create-diff.js';
import type { Operation } from '../../layer/plan/operation.js';
import { planLayer } from '../../layer/plan-layer.js';
import { showTree } from '../../snapshot/diff-snapshot.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { TarEntry } from '../../tar/types.js';
import type { ImageContents } from '../source/image-contents.js';
import { viewChain } from './view-chain.js';

/** A file, a directory or another entry that two images do not have alike. */
export interface FileChange {
  readonly kind: 'added' | 'changed' | 'removed';
  /** Relative to the root, which is ''. */
  readonly path: string;
  /** Of the second image, or of the first one if the entry was removed. */
  readonly type: TarEntry['type'];
  /** Bytes in the first image. 0 unless it is a file there; only the first name of a file with several names has them. */
  readonly sizeBefore: number;
  /** Bytes in the second image, by the same rules. */
  readonly sizeAfter: number;
}

/** See `Images.diff`. */
export async function compareImages(
  snapshots: Snapshotter,
  before: ImageContents,
  after: ImageContents,
  { signal }: AbortableOptions,
): Promise<readonly FileChange[]> {
  const chains = [before, after].map(({ layers }) => layers.at(-1)?.chainID);
  if (chains[0] === chains[1]) return [];
  await using first = await viewChain(snapshots, chains[0]);
  await using second = await viewChain(snapshots, chains[1]);
  await using lower = await showTree(first?.mounts ?? []);
  await using upper = await showTree(second?.mounts ?? []);
  // Each direction lists the entries of its upper tree that the other tree does not have alike.
  const news = await listChanges(lower.directory, upper.directory, signal);
  const olds = await listChanges(upper.directory, lower.directory, signal);
  const changes: FileChange[] = [];
  for (const path of [...new Set([...news.keys(), ...olds.keys()])].sort()) {
    const [old, now] = [olds.get(path), news.get(path)];
    if (old !== undefined && now !== undefined && isWayOnly(old, now)) continue;
    changes.push({
      kind: old === undefined ? 'added' : now === undefined ? 'removed' : 'changed',
      path,
      type: (now ?? old)!.type,
      sizeBefore: old?.size ?? 0,
      sizeAfter: now?.size ?? 0,
    });
  }
  return changes;
}

async function listChanges(
  lower: string | undefined,
  upper: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  if (upper === undefined) return entries;
  const diff = createDiff({ lower, upper }, { compression: 'none', signal });
  for await (const { operation } of planLayer(diff, { digests: 'skip', signal }))
    if (isPresent(operation)) entries.set(operation.path, operation.entry);
  return entries;
}

function isPresent({ op }: Operation): boolean {
  return op !== 'whiteout' && op !== 'opaque';
}

/** A directory that is listed only because it leads to a change. */
function isWayOnly(old: TarEntry, now: TarEntry): boolean {
  return now.type === 'directory' && isDeepStrictEqual(attributesOf(old), attributesOf(now));
}

function attributesOf({ type, mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: TarEntry): object {
  return { type, mode, uid, gid, mtimeSec, mtimeNsec, xattrs };
}
