import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendName } from './backends.js';
import type { Inside, Namespace } from './namespace-process.js';
import { readTree, type Tree, type TreeNode } from './tree.js';

/** What a layer came to, each in its own way: undefined, or the code of its error. */
type Outcomes = readonly (string | null)[];

/**
 * A stack of layers three times: by `unpackSnapshot`; each written through the mounts of a snapshot; and all
 * merged in one directory.
 */
export class SnapshotStack {
  readonly #namespace: Namespace;
  readonly #backend: BackendName;
  readonly #directory: string;
  #layers = 0;

  constructor(namespace: Namespace, backend: BackendName) {
    this.#namespace = namespace;
    this.#backend = backend;
    this.#directory = namespace.directory();
  }

  /** The three outcomes of one more layer; a layer that fails is not there afterwards. */
  async add(layer: Uint8Array): Promise<Outcomes> {
    const number = this.#layers++;
    writeFileSync(join(this.#directory, `${number}.tar`), layer);
    const outcomes = await this.#namespace.inside.run(addLayer, this.#directory, this.#backend, number);
    if (outcomes[0] !== null) this.#layers -= 1;
    return outcomes;
  }

  /** What the last layer shows, in the order of the outcomes. */
  async trees(): Promise<readonly [unpacked: Tree, written: Tree, merged: Tree]> {
    const { inside } = this.#namespace;
    const pid = await inside.run(mountViews, this.#directory, this.#backend, this.#layers - 1);
    try {
      const at = (name: string) => asShown(readTree(join(`/proc/${pid}/root`, this.#directory, name)));
      return [at('unpacked'), at('written'), at('merged')];
    } finally {
      await inside.run(unmountViews, this.#directory);
    }
  }
}

/**
 * An image's own attributes with names of overlayfs are stored escaped. A write through an overlay escapes them once more.
 * A view by an overlay undoes one of these, and a plain directory or EROFS file shows all.
 */
function asShown(tree: Tree): Tree {
  const asMounted = (name: string) => name.replace(/(\.overlay)+\./, '.overlay.');
  const shown = (xattrs: TreeNode['xattrs']) =>
    Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [asMounted(name), value]));
  return new Map([...tree].map(([path, node]) => [path, { ...node, xattrs: shown(node.xattrs) }]));
}

async function addLayer(
  { overlayer, path }: Inside,
  directory: string,
  backend: BackendName,
  number: number,
): Promise<Outcomes> {
  const source = path.join(directory, `${number}.tar`);
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend });
  const onLayer = (chain: string) => (number === 0 ? undefined : `${chain} ${number - 1}`);
  const outcomes: (string | null)[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
      outcomes.push(null);
    } catch (error) {
      outcomes.push((error as { code?: string }).code ?? String(error));
    }
  };
  await attempt(() =>
    overlayer.unpackSnapshot(snapshots, source, { name: `unpacked ${number}`, parent: onLayer('unpacked') }),
  );
  await attempt(async () => {
    const mounts = await snapshots.prepare('writing', { parent: onLayer('written') });
    try {
      await overlayer.withMount(mounts, (mounted) =>
        overlayer.unpackLayer(source, mounted, { existing: 'merge', sync: false }),
      );
      await snapshots.commit('writing', { name: `written ${number}` });
    } catch (error) {
      await snapshots.remove('writing');
      throw error;
    }
  });
  await attempt(() =>
    overlayer.unpackLayer(source, path.join(directory, 'merged'), { existing: 'merge', sync: false }),
  );
  await snapshots.close();
  return outcomes;
}

/** @returns the process in whose namespace they are seen */
async function mountViews(
  { overlayer, fs, path }: Inside,
  directory: string,
  backend: BackendName,
  last: number,
): Promise<number> {
  const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend });
  for (const chain of ['unpacked', 'written']) {
    const target = path.join(directory, chain);
    fs.mkdirSync(target, { recursive: true });
    const mounts = await snapshots.view('view', { parent: `${chain} ${last}` });
    await overlayer.mountAll(mounts, target);
    await snapshots.remove('view'); // all that is mounted is the chain's
  }
  await snapshots.close();
  return process.pid;
}

async function unmountViews({ overlayer, path }: Inside, directory: string): Promise<void> {
  for (const chain of ['unpacked', 'written']) await overlayer.unmountAll(path.join(directory, chain));
}
