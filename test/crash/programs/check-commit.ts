import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSnapshotter, rebuildMetadata } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import { contentSum } from './tree-sum.js';

export interface CheckCommit {
  readonly root: string;
  readonly backend: BackendName;
  /** Of the layer's contents. */
  readonly sum: string;
}

type State = 'absent' | 'whole' | 'damaged';

export interface CheckedCommit {
  /** By the metadata; and by those that are rebuilt from the record files. */
  readonly recorded: State;
  readonly rebuilt: State;
  readonly problems: readonly string[];
}

/** Looks at a store that was cut off while "layer" was committed. */
export async function checkCommit({ root, backend, sum }: CheckCommit): Promise<CheckedCommit> {
  const copy = `${root}-copy`;
  execFileSync('cp', ['-a', root, copy]);
  for (const name of ['metadata.db', 'metadata.db-lock']) rmSync(join(copy, name), { force: true });
  await rebuildMetadata({ root: copy });
  const rebuilt = await stateOf(copy, backend, sum);
  const recorded = await stateOf(root, backend, sum);
  return {
    recorded: recorded.state,
    rebuilt: rebuilt.state,
    problems: [...recorded.problems, ...rebuilt.problems],
  };
}

async function stateOf(
  root: string,
  backend: CheckCommit['backend'],
  sum: string,
): Promise<{ readonly state: State; readonly problems: readonly string[] }> {
  await using snapshots = await openSnapshotter({ root, backend });
  const { failed } = await snapshots.cleanup();
  const names: string[] = [];
  for await (const { name } of snapshots.walk({ filters: ['kind==committed'] })) names.push(name);
  const directories = readdirSync(join(root, 'snapshots'));
  const path = join(root, 'snapshots/1', backend === 'erofs' ? 'layer.erofs' : 'fs');
  const whole = names.length > 0 && existsSync(path) && (await contentSum(path)) === sum;
  const { findings } = await snapshots.check();
  const problems = [
    ...failed.map(({ directory }) => `cleanup can't free ${directory}`),
    ...findings.map(({ kind, path }) => `${kind}: ${path}`),
    ...(directories.length === names.length ? [] : [`left: ${directories.join(' ')}`]),
  ];
  return { state: names.length === 0 ? 'absent' : whole ? 'whole' : 'damaged', problems };
}
