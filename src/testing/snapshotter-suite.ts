import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { withMount } from '../mount/mounting.js';
import { removeTree } from '../rootfs/trees/remove-tree.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import { openLinuxSystem } from '../system/linux.js';
import { AT_FDCWD, O } from '../system/system.js';
import { commitCases } from './cases/commit.js';
import { concurrencyCases } from './cases/concurrency.js';
import { creationCases } from './cases/creation.js';
import { layerCases } from './cases/layers.js';
import { listingCases } from './cases/listing.js';
import { mountCases } from './cases/mounts.js';
import { removalCases } from './cases/removal.js';
import { updateCases } from './cases/updates.js';
import { usageCases } from './cases/usage.js';
import { SuiteContext } from './suite-context.js';

/** Functions of a test runner, such as vitest or `node:test`. The suite imports none. */
export interface SuiteFunctions {
  /** Groups tests. */
  readonly describe: (name: string, define: () => void) => unknown;
  /** Declares a test. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
}

/** The directory of the suite's roots, and its way to mount. */
export interface SnapshotterSuiteOptions {
  /** Parent directory of the roots. Overlay backends need a file system that can hold an upperdir. @default os.tmpdir() */
  readonly directory?: string | undefined;
  /** Mounts, runs a function and unmounts. @default overlayer's own function, in this process's mount namespace */
  readonly withMount?: typeof withMount | undefined;
  /** False if rename(2) of a directory from a parent fails (EXDEV), as on overlayfs. @default true */
  readonly renamesDirectories?: boolean | undefined;
}

const GROUPS = {
  creation: creationCases,
  mounts: mountCases,
  commit: commitCases,
  updates: updateCases,
  listing: listingCases,
  removal: removalCases,
  usage: usageCases,
  concurrency: concurrencyCases,
  layers: layerCases,
};

/**
 * Defines the tests that every snapshotter must pass. They cover containerd's suites for snapshotters and for their
 * metadata (core/snapshots/testsuite, core/snapshots/storage), and more. The tests mount, so they need root or a user
 * namespace.
 *
 * @param open opens the snapshots in a root. The root may not exist yet, or may be open already
 *
 * @example
 * import { describe, test } from 'node:test';
 * snapshotterSuite('mine', (root) => openSnapshotter({ root, backend: mine }), { describe, test });
 */
export function snapshotterSuite(
  name: string,
  open: (root: string) => Promise<Snapshotter>,
  { describe, test }: SuiteFunctions,
  options: SnapshotterSuiteOptions = {},
): void {
  const { directory = tmpdir(), renamesDirectories = true } = options;
  const resolved = { open, renamesDirectories, withMount: options.withMount ?? withMount };
  describe(name, () => {
    for (const [group, cases] of Object.entries(GROUPS))
      describe(group, () => {
        for (const { name, run } of cases)
          test(name, () =>
            inDirectory(directory, async (directory) => {
              const context = await SuiteContext.open({ ...resolved, directory });
              try {
                await run(context);
              } finally {
                await context.close();
              }
            }),
          );
      });
  });
}

async function inDirectory(parent: string, use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(realpathSync(parent), 'overlayer-suite-'));
  try {
    await use(directory);
  } finally {
    removeDirectory(directory);
  }
}

/** Does not delete across a mount that a failed test has left. */
function removeDirectory(path: string): void {
  const system = openLinuxSystem();
  const parent = system.openAt(AT_FDCWD, dirname(path), O.RDONLY | O.DIRECTORY, 0);
  try {
    removeTree(system, parent, basename(path));
  } finally {
    system.close(parent);
  }
}
