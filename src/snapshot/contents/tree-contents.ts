import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { isDirectory } from '../../base/is-directory.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import { syncDirectory } from '../../system/sync-directory.js';
import type { BackendSnapshot } from '../backends/backend.js';
import { DirectoryPlace, type PreparedSnapshot } from '../fill/fill-place.js';
import { hasManifest, manifestOf, treeOf } from '../store/snapshot-files.js';
import { treeThreads } from '../trees/tree-threads.js';
import type {
  ContentDamage,
  DescribedContents,
  KnownLayer,
  SnapshotContents,
  VerifyOptions,
} from './contents.js';

/** A tree of files, `fs`. A committed snapshot has a manifest with their checksums beside it. */
export class TreeContents implements SnapshotContents {
  readonly #target: 'overlay' | 'directory';

  /** @param target the form of the trees: an upperdir, or a whole tree */
  constructor(target: 'overlay' | 'directory') {
    this.#target = target;
  }

  missing(directory: string): string | undefined {
    return isDirectory(treeOf(directory)) ? undefined : 'its tree is gone';
  }

  place(prepared: PreparedSnapshot): DirectoryPlace | undefined {
    return DirectoryPlace.behind(prepared);
  }

  placeIn(directory: string, parents: readonly string[]): DirectoryPlace {
    const destination = treeOf(directory);
    return this.#target === 'overlay'
      ? new DirectoryPlace({ destination, target: 'overlay', lowers: parents.map(treeOf) })
      : new DirectoryPlace({ destination, existing: 'merge' });
  }

  describe(directory: string, known: KnownLayer): Promise<DescribedContents> {
    return writeManifest(directory, known);
  }

  async settle(
    { directory }: BackendSnapshot,
    { described, signal }: AbortableOptions & { readonly described?: DescribedContents | undefined },
  ): Promise<DescribedContents> {
    return described ?? (await writeManifest(directory, {}, signal));
  }

  async unsettle(directory: string, described: DescribedContents | undefined): Promise<void> {
    // If this fails too, the next commit writes the manifest again.
    if (described === undefined) await rm(manifestOf(directory), { force: true });
  }

  async verify(
    directory: string,
    { content, isDescribed, counts, signal }: VerifyOptions,
  ): Promise<readonly ContentDamage[] | undefined> {
    const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
    if (!hasManifest(directory))
      return isDescribed ? [{ kind: 'manifest', path: manifest, detail: 'its manifest is gone' }] : undefined;
    const { damage, manifestDamage, diffID } = await treeThreads.run(
      { type: 'verify', tree, manifest, content, counts: counts.memory },
      signal,
    );
    if (manifestDamage !== undefined) return [{ kind: 'manifest', path: manifest, detail: manifestDamage }];
    return damage.map(({ kind, path, detail }) => ({ kind, path, detail, diffID }));
  }

  async mend(
    directory: string,
    spareDirectory: string,
    damage: readonly { readonly kind: string }[],
  ): Promise<readonly Pick<ContentDamage, 'path'>[]> {
    const anew = damage.some(({ kind }) => kind === 'manifest');
    const scratch = join(spareDirectory, 'scratch');
    await mkdir(scratch);
    const manifest = manifestOf(anew ? spareDirectory : directory);
    const spare = treeOf(spareDirectory);
    const left = await treeThreads.run({ type: 'mend', tree: treeOf(directory), spare, scratch, manifest });
    if (anew && left.length === 0) {
      await rename(manifest, manifestOf(directory));
      await syncDirectory(directory);
    }
    return left;
  }

  measure(directory: string): Promise<SnapshotUsage> {
    return treeThreads.run({ type: 'measure', directory: treeOf(directory) });
  }
}

/** Writes a manifest of what is in a snapshot's tree now. */
async function writeManifest(
  directory: string,
  known: Partial<KnownLayer>,
  signal?: AbortSignal,
): Promise<DescribedContents> {
  const [tree, manifest] = [treeOf(directory), manifestOf(directory)];
  try {
    const { thread, ...facts } = known;
    const job = { type: 'manifest', tree, manifest, ...facts } as const;
    return { usage: await (thread === 'caller' ? treeThreads.runHere(job) : treeThreads.run(job, signal)) };
  } catch (error) {
    // A process without privileges can't read every file. A later check could not read them either.
    if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
    return { usage: undefined };
  }
}
