import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError, openSnapshotter, unpackSnapshot } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import type { Step } from '../journal.js';
import { pathsOf } from './fill-snapshot.js';

export interface Life {
  readonly root: string;
  readonly backend: BackendName;
  /** Archives: one for a chain, and one with a file in a directory of the first that it does not list. */
  readonly layers: { readonly base: string; readonly dependent: string };
  /** A file outside of the store's file system, where each step is noted. */
  readonly journal: string;
}

// Every run does the same, with the same contents: fills, a written snapshot, a layer that is shared, a layer that takes
// from those below, a view, removals and a cleanup. A step that is refused does not end the ones after it.

const { root, backend, layers, journal } = JSON.parse(process.argv[2]!) as Life;
const untyped: string[] = [];

function say(step: Step, name: string): void {
  appendFileSync(journal, `${step} ${name}\n`);
}

/** A call of this program itself was refused, in the place of the container. */
class OwnWriteRefused extends Error {}

async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!OverlayerError.is(error) && !(error instanceof OwnWriteRefused))
      untyped.push(error instanceof Error ? String(error.stack) : String(error));
    return false;
  }
}

async function making(name: string, work: () => Promise<unknown>): Promise<void> {
  say('committing', name);
  if (await attempt(work)) say('committed', name);
}

/** Writes into an active snapshot, as a container does. */
function write(tree: string): void {
  const directory = join(tree, 'written');
  try {
    mkdirSync(directory);
    for (const name of ['one', 'two']) {
      writeFileSync(join(directory, name), name.repeat(5000));
      utimesSync(join(directory, name), 1, 2);
    }
    for (const path of [directory, tree]) utimesSync(path, 1, 2);
  } catch (cause) {
    throw new OwnWriteRefused('The write was refused', { cause });
  }
}

async function live(): Promise<void> {
  await using snapshots = await openSnapshotter({ root, backend });
  let diffID: `sha256:${string}` | undefined;
  await making('filled', async () => {
    ({ diffID } = (await unpackSnapshot(snapshots, layers.base, { name: 'filled' })).layer!);
  });
  await making('written', async () => {
    write(pathsOf(await snapshots.prepare('write', { parent: 'filled' })).own);
    await snapshots.commit('write', { name: 'written' });
  });
  await making('shared', () => unpackSnapshot(snapshots, layers.base, { name: 'shared' }));
  await making('taken', () =>
    unpackSnapshot(snapshots, layers.base, { name: 'taken', parent: 'written', diffID }),
  );
  await making('dependent', () =>
    unpackSnapshot(snapshots, layers.dependent, { name: 'dependent', parent: 'written' }),
  );
  await attempt(async () => {
    await snapshots.view('view', { parent: 'dependent' });
    await snapshots.remove('view');
  });
  for (const name of ['taken', 'shared']) {
    say('removing', name);
    if (await attempt(() => snapshots.remove(name))) say('removed', name);
  }
  await attempt(() => snapshots.cleanup());
}

await attempt(live);
process.stdout.write(JSON.stringify(untyped));
