import { beforeAll, describe, test } from 'vitest';
import type { Snapshotter } from '../../src/index.js';
import { type SuiteFunctions, snapshotterSuite } from '../../src/testing/index.js';
import type { Privileges } from '../helpers/mount-namespace.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';

export interface SuiteBackend {
  readonly backend: 'overlay' | 'native' | 'erofs';
  readonly privileges: Privileges;
  /** Makes a module that opens the snapshots otherwise: `open(root, backend)`. @returns its URL */
  readonly opener?: ((directory: string) => Promise<string>) | undefined;
  /** Parts of the names of cases that are left out. */
  readonly except?: readonly string[];
}

/** Defines a test for each case of the suite, which runs in a process that has a mount namespace of its own. */
export function suiteInNamespace({ backend, privileges, opener, except = [] }: SuiteBackend): void {
  const namespace = useNamespace(privileges);
  let directory: string;
  let module: string | null = null;
  beforeAll(async () => {
    directory = namespace.directory('disk');
    if (opener !== undefined) module = await opener(directory);
  });

  // vitest calls what a group defines later, once it has the groups around it.
  let groups: readonly string[] = [];
  const functions: SuiteFunctions = {
    describe(name, define) {
      const within = [...groups, name];
      describe(name, () => {
        groups = within;
        define();
      });
    },
    test(name) {
      if (except.some((part) => name.includes(part))) return;
      const path = [...groups, name].join(' > ');
      test(name, async () => {
        await namespace.inside.run(runCase, backend, directory, path, module);
      });
    },
  };
  snapshotterSuite('suite', () => Promise.reject(new Error('only listed here')), functions);
}

interface Opener {
  open(root: string, backend: 'overlay' | 'native' | 'erofs'): Promise<Snapshotter>;
}

type Testing = typeof import('../../src/testing/index.js');

async function runCase(
  { overlayer, load }: Inside,
  backend: 'overlay' | 'native' | 'erofs',
  directory: string,
  wanted: string,
  module: string | null,
): Promise<void> {
  const { snapshotterSuite } = await load<Testing>('testing/index.js');
  const groups: string[] = [];
  const runs = new Map<string, () => Promise<void>>();
  const functions = {
    describe: (name: string, define: () => void) => {
      groups.push(name);
      define();
      groups.pop();
    },
    test: (name: string, run: () => Promise<void>) => runs.set([...groups, name].join(' > '), run),
  };
  const opener = module === null ? undefined : await load<Opener>(module);
  const open = (root: string) =>
    opener === undefined ? overlayer.openSnapshotter({ root, backend }) : opener.open(root, backend);
  snapshotterSuite('suite', open, functions, { directory, renamesDirectories: backend === 'native' });
  await runs.get(wanted)!();
}
