import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, OverlayerError } from '../base/errors.js';
import type { Labels } from '../metadata/labels.js';
import type { SnapshotKind } from '../metadata/snapshot-records.js';
import type { Mount } from '../mount/mount.js';
import type { withMount } from '../mount/mounting.js';
import type { SnapshotInfo, Snapshotter } from '../snapshot/snapshotter.js';
import { listTree } from './list-tree.js';

/** Changes the files of a directory. */
export type Change = (directory: string) => void;

interface ContextOptions {
  /** A new directory for one case. */
  readonly directory: string;
  readonly open: (root: string) => Promise<Snapshotter>;
  readonly withMount: typeof withMount;
  readonly renamesDirectories: boolean;
}

/** The snapshots of one case, in a root of their own, with helpers for frequent steps. */
export class SuiteContext {
  readonly snapshots: Snapshotter;
  readonly renamesDirectories: boolean;
  readonly #options: ContextOptions;
  readonly #opened: Snapshotter[];

  private constructor(options: ContextOptions, snapshots: Snapshotter) {
    this.#options = options;
    this.snapshots = snapshots;
    this.#opened = [snapshots];
    this.renamesDirectories = options.renamesDirectories;
  }

  static async open(options: ContextOptions): Promise<SuiteContext> {
    return new SuiteContext(options, await options.open(join(options.directory, 'root')));
  }

  /** Opens the same snapshots again, as another process or a restart would. */
  async openAgain(): Promise<Snapshotter> {
    const snapshots = await this.#options.open(join(this.#options.directory, 'root'));
    this.#opened.push(snapshots);
    return snapshots;
  }

  async close(): Promise<void> {
    for (const snapshots of this.#opened) await snapshots.close();
  }

  async mounted<T>(mounts: readonly Mount[], use: (directory: string) => T | Promise<T>): Promise<T> {
    assert.ok(mounts.length > 0, 'there is something to mount');
    return await this.#options.withMount(mounts, use);
  }

  /** Makes a committed snapshot by writing through its mounts. */
  async commitLayer(name: string, parent?: string, change: Change = () => {}): Promise<SnapshotInfo> {
    const key = `${name}, under way`;
    await this.mounted(await this.snapshots.prepare(key, { parent }), change);
    return await this.snapshots.commit(key, { name });
  }

  /** Makes an empty snapshot of any kind, without a mount. */
  readonly make = async (
    kind: SnapshotKind,
    name: string,
    parent?: string,
    labels: Labels = {},
  ): Promise<SnapshotInfo> => {
    if (kind === 'committed') {
      await this.snapshots.prepare(`${name}, under way`, { parent });
      return await this.snapshots.commit(`${name}, under way`, { name, labels });
    }
    await (kind === 'view'
      ? this.snapshots.view(name, { parent, labels })
      : this.snapshots.prepare(name, { parent, labels }));
    return await this.snapshots.stat(name);
  };

  async infos(filters: readonly string[] = []): Promise<SnapshotInfo[]> {
    const infos: SnapshotInfo[] = [];
    for await (const info of this.snapshots.walk({ filters })) infos.push(info);
    return infos;
  }

  async names(filters: readonly string[] = []): Promise<string[]> {
    return (await this.infos(filters)).map(({ name }) => name).sort();
  }

  /**
   * Applies each change to a new snapshot on the previous one, and to a plain directory. Checks after each that both
   * are equal.
   *
   * @returns the name of the last snapshot
   */
  async checkLayers(changes: readonly Change[]): Promise<string> {
    const plain = join(this.#options.directory, 'plain');
    mkdirSync(plain, { mode: 0o755 });
    let parent: string | undefined;
    for (const [number, change] of changes.entries()) {
      const name = `layer ${number}`;
      await this.commitLayer(name, parent, change);
      change(plain);
      await this.checkTree(name, plain, `after layer ${number}`);
      parent = name;
    }
    return parent!;
  }

  /** Checks that a view of the snapshot shows the same tree as a directory. */
  async checkTree(name: string, directory: string, message?: string): Promise<void> {
    const view = `view of ${name}`;
    const mounts = await this.snapshots.view(view, { parent: name });
    await this.mounted(mounts, (seen) => assert.deepEqual(listTree(seen), listTree(directory), message));
    await this.snapshots.remove(view);
  }
}

export interface SuiteCase {
  readonly name: string;
  run(context: SuiteContext): Promise<void>;
}

/** Makes cases from functions by name, so that a file of cases reads as a list. */
export function cases(named: Readonly<Record<string, SuiteCase['run']>>): SuiteCase[] {
  return Object.entries(named).map(([name, run]) => ({ name, run }));
}

/** Asserts that an action fails with this code. @returns the error */
export async function refuses(code: ErrorCode, action: Promise<unknown>): Promise<OverlayerError> {
  const outcome = await action.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome !== undefined, `it should be refused with ${code}`);
  assert.ok(OverlayerError.is(outcome), `not an OverlayerError: ${outcome}`);
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}
