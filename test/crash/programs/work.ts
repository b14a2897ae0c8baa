import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { openSnapshotter, type Snapshotter, warmUp } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import type { Step } from '../journal.js';
import { fillSnapshot } from './fill-snapshot.js';
import { contentSum } from './tree-sum.js';

export interface Work {
  readonly root: string;
  readonly backend: BackendName;
  readonly layers: readonly string[];
  /** A file outside of the store's file system, where each step is noted. */
  readonly journal: string;
  /** Makes the names ones that no other process has used. */
  readonly run: number;
  /** How many chains are worked on at once. Each takes threads, which take their time to start. */
  readonly lanes: number;
  /** The process of the test. Once that is gone, whatever has ended it, nobody is left who would end this one. */
  readonly owner: number;
}

const MOST_LIVING = 6;

const work = JSON.parse(process.argv[2]!) as Work;

function say(step: Step, ...words: readonly string[]): void {
  process.kill(work.owner, 0);
  appendFileSync(work.journal, `${[step, ...words].join(' ')}\n`);
  process.send?.(step);
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)]!;
}

/** Prepares, unpacks, commits and removes, until it is killed. */
async function go(snapshots: Snapshotter, lane: number): Promise<never> {
  const infos = [];
  for await (const info of snapshots.walk({ filters: [`name~=^lane${lane}-`] })) infos.push(info);
  infos.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const living = infos.map(({ name }) => name);
  for (let count = 0; ; count++) {
    const name = `lane${lane}-${work.run}-${count}`;
    const key = `active-${name}`;
    say('preparing', name);
    const fill = { key, parent: pick([undefined, ...living]), layer: pick(work.layers) };
    const path = await fillSnapshot(snapshots, fill);
    if (Math.random() < 0.15) {
      say('discarding', name);
      await snapshots.remove(key);
      say('discarded', name);
      continue;
    }
    say('committing', name, await contentSum(path));
    await snapshots.commit(key, { name, labels: { layer: fill.layer } });
    say('committed', name);
    living.push(name);
    while (living.length > MOST_LIVING || (living.length > 0 && Math.random() < 0.4)) {
      // A child is younger than its parent.
      const last = living.pop()!;
      say('removing', last);
      await snapshots.remove(last);
      say('removed', last);
    }
  }
}

warmUp();
if (process.send !== undefined) {
  process.send('ready');
  await once(process, 'message');
}
const { root, backend } = work;
const snapshots = await openSnapshotter({ root, backend });
await Promise.all(Array.from({ length: work.lanes }, (_, lane) => go(snapshots, lane)));
