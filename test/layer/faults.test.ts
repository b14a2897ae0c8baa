import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OverlayerError } from '../../src/index.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { resolveInRoot } from '../../src/system/resolve-in-root.js';
import { AT_FDCWD, O, type System } from '../../src/system/system.js';
import { applyLayer } from '../helpers/apply-layer.js';
import { type Fault, FaultySystem } from '../helpers/faulty-system.js';
import { oldGnuSparse } from '../helpers/sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { targetIn } from '../helpers/target-in.js';
import { diffTrees, type Ignored, readTree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const real = openLinuxSystem();
const work = makeWorkDirectory();
afterAll(() => execFileSync('rm', ['-rf', work]));

interface Scenario {
  readonly existing: 'refuse' | 'merge';
  readonly target: 'directory' | 'overlay';
  /** What the destination holds before; none: it does not exist. */
  readonly before?: Buffer;
  /** What the one lower layer holds. */
  readonly lower?: Buffer;
  readonly layer: Buffer;
}

const attributes = { uid: 5, gid: 6, xattrs: { 'user.a': 'b' } };
const everything = [
  dir('./', { mode: 0o755 }),
  dir('d', { mode: 0o2750, ...attributes }),
  file('d/f', 'content', { mode: 0o4755, ...attributes }),
  hardlink('d/h', 'd/f'),
  symlink('d/s', 'f', { uid: 5 }),
  file('d/new/implicit', 'x'),
  symlink('through', 'd/new'),
  file('through/f', 'x'),
  oldGnuSparse('holes', 100_000, [
    [0, 'x'],
    [50_000, 'y'],
  ]),
  fifo('p', { mode: 0o4600 }),
  characterDevice('c', 1, 3, { uid: 5 }),
  file('twice', 'first'),
  file('twice', 'second'),
];
const changes = [
  dir('d', { mode: 0o700, uid: 7 }),
  file('d/f', 'newer'),
  whiteout('d/s'),
  opaque('d/new'),
  whiteout('through'),
  file('d', 'in place of a directory'),
  dir('twice'),
  dir('holes/below'),
  hardlink('linked', 'p'),
];

const marks = [whiteout('below'), whiteout('d/below'), opaque('d/new')];

const scenarios: Record<string, Scenario> = {
  'a new tree': { existing: 'refuse', target: 'directory', layer: tar(...everything) },
  'an empty directory': { existing: 'refuse', target: 'directory', before: tar(), layer: tar(...everything) },
  'a merge': { existing: 'merge', target: 'directory', before: tar(...everything), layer: tar(...changes) },
  'an overlay without lower layers': {
    existing: 'refuse',
    target: 'overlay',
    layer: tar(...everything, ...marks),
  },
  'an overlay over a lower layer': {
    existing: 'refuse',
    target: 'overlay',
    lower: tar(...everything),
    layer: tar(
      ...changes.slice(0, 5),
      hardlink('linked', 'p'),
      hardlink('other', 'd/f'),
      file('d/new/x', 'y'),
    ),
  },
};

/** Prepares, unpacks with the fault, and looks at what is left. */
class Attempt {
  static #count = 0;
  readonly root = join(work, `attempt-${Attempt.#count++}`);
  readonly dest = join(this.root, 'dest');
  readonly calls: ReadonlyMap<keyof System, number>;
  readonly error: unknown;
  readonly leakedDescriptors: number;

  constructor(scenario: Scenario, fault?: Fault, system = real) {
    mkdirSync(this.root);
    if (scenario.before?.equals(tar())) mkdirSync(this.dest);
    else if (scenario.before !== undefined) applyLayer(real, this.dest, { layer: scenario.before });
    const lowerPath = join(this.root, 'lower');
    if (scenario.lower !== undefined) applyLayer(real, lowerPath, { layer: scenario.lower });
    const lowers =
      scenario.lower === undefined ? [] : [real.openAt(AT_FDCWD, lowerPath, O.RDONLY | O.DIRECTORY, 0)];
    const faulty = new FaultySystem(system, fault);
    const descriptors = openDescriptors();
    try {
      applyLayer(faulty.system, this.dest, { ...scenario, lowers });
    } catch (error) {
      this.error = error;
    }
    this.leakedDescriptors = openDescriptors() - descriptors;
    for (const lower of lowers) real.close(lower);
    this.calls = faulty.calls;
  }

  /** Names beside what was there before. */
  get left(): string[] {
    return readdirSync(this.root).filter((name) => name !== 'lower');
  }

  remove(): void {
    execFileSync('rm', ['-rf', this.root]);
  }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Whiteouts have the time at which they were made: nobody sees it through an overlay. */
function ignoredOf({ target }: Scenario): Ignored {
  return target === 'overlay' ? ['mtime'] : [];
}

/** The first, a middle and the last call of each method. */
function* faults(calls: ReadonlyMap<keyof System, number>): Generator<Fault> {
  for (const [method, count] of calls)
    for (const call of new Set([1, Math.ceil(count / 2), count]))
      for (const errno of ['EIO', 'ENOSPC', 'EPERM']) yield { method, call, errno };
}

describe.each(Object.entries(scenarios))('%s', (_name, scenario) => {
  const whole = new Attempt(scenario);
  const expected = readTree(whole.dest);
  const ignored = ignoredOf(scenario);

  test('nothing fails without a fault', () => {
    expect(whole.error).toBeUndefined();
    expect(whole.leakedDescriptors).toBe(0);
    expect(whole.calls.size).toBeGreaterThan(10);
  });

  test.each([...faults(whole.calls)])('$method, call $call: $errno', (fault) => {
    const attempt = new Attempt(scenario, fault);
    try {
      expect(attempt.leakedDescriptors, 'descriptors').toBe(0);
      if (attempt.error === undefined) {
        // Some refusals are lived with, such as EPERM for an attribute: they may leave no trace.
        expect(diffTrees(expected, readTree(attempt.dest), ignored)).toEqual([]);
        return;
      }
      const { error } = attempt;
      if (!OverlayerError.is(error)) throw error;
      expect(error.code).not.toBe('Internal');
      expect(error.errno).toBe(fault.errno);
      if (fault.errno === 'ENOSPC') expect(error.code).toBe('ResourceExhausted');
      if (scenario.existing === 'merge' || scenario.before !== undefined)
        expect(attempt.left).toEqual(['dest']);
      else expect(attempt.left).toEqual([]);
      if (scenario.before?.equals(tar())) expect(readdirSync(attempt.dest)).toEqual([]);
    } finally {
      attempt.remove();
    }
  });
});

describe('a kernel without openat2 gives the same tree', () => {
  const old: System = {
    ...real,
    openInRoot: (...call) => resolveInRoot({ ...real, targetOf: targetIn(real) }, ...call),
  };
  test.each(Object.entries(scenarios))('%s', (_name, scenario) => {
    const expected = readTree(new Attempt(scenario).dest);
    const attempt = new Attempt(scenario, undefined, old);
    expect(attempt.error).toBeUndefined();
    expect(diffTrees(expected, readTree(attempt.dest), ignoredOf(scenario))).toEqual([]);
  });
});
