import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OverlayerError } from '../../../src/index.js';
import type { LayerOutput } from '../../../src/layer/diff/layer-writer.js';
import { LayerWriter } from '../../../src/layer/diff/layer-writer.js';
import { TreeDiffer } from '../../../src/layer/diff/tree-differ.js';
import { UpperdirDiffer } from '../../../src/layer/diff/upperdir-differ.js';
import { LazyLowers } from '../../../src/layer/erofs/lazy-lowers.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import { AT_FDCWD, O, type System } from '../../../src/system/system.js';
import { type Fault, FaultySystem } from '../../helpers/faulty-system.js';
import { makeSampleTree } from '../../helpers/sample-tree.js';
import { inShell } from '../../helpers/two-trees.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// The kernel refuses one call, whichever it is: the error says what was read, and nothing stays open.

const real = openLinuxSystem();
const work = makeWorkDirectory();
afterAll(() => rmSync(work, { recursive: true }));
const [lower, upper] = [join(work, 'lower'), join(work, 'upper')];
mkdirSync(lower);
makeSampleTree(lower, { longNames: false, attributes: true, sparse: true });
execFileSync('cp', ['--archive', lower, upper]);
inShell(upper, 'echo changed > d/file; rm d/blocks; mkdir new; echo x > new/f; touch islands');

class Discarded implements LayerOutput {
  readonly #system: System;
  readonly #buffer = Buffer.alloc(65536);

  constructor(system: System) {
    this.#system = system;
  }
  header(): void {}
  zeros(): void {}
  read(file: number, length: number): number {
    let done = 0;
    while (done < length) {
      const address = this.#system.address(this.#buffer);
      const read = this.#system.read(file, address, Math.min(length - done, this.#buffer.length));
      if (read === 0) break;
      done += read;
    }
    return done;
  }
}

const open = (path: string) => real.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0);

function run(form: 'trees' | 'upperdir', system: System): void {
  const [below, above] = [open(lower), open(upper)];
  try {
    const writer = new LayerWriter(system, new Discarded(system), undefined);
    if (form === 'trees') new TreeDiffer(system, writer).diff(below, above);
    else {
      using lowers = new LazyLowers(real, [lower]);
      new UpperdirDiffer(system, writer, lowers).diff(above);
    }
  } finally {
    real.close(below);
    real.close(above);
  }
}

/** What is open in the trees. */
function opened(): string[] {
  const links = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return []; // that of the listing itself
    }
  });
  return links.filter((path) => path.startsWith(work));
}

describe.each(['trees', 'upperdir'] as const)('%s', (form) => {
  const counted = new FaultySystem(real);
  run(form, counted.system);
  const faults = [...counted.calls].flatMap(([method, calls]) =>
    [1, Math.ceil(calls / 2), calls].map((call): Fault => ({ method, call, errno: 'EIO' })),
  );

  test.each(faults)('$method, call $call: $errno', (fault) => {
    expect(() => run(form, new FaultySystem(real, fault).system)).toThrow(
      expect.objectContaining({
        name: 'OverlayerError',
        code: 'DataLoss',
        errno: 'EIO',
        message: expect.stringMatching(/^Cannot read ".+" of the tree: /),
      }),
    );
    expect(opened()).toEqual([]);
  });
});

describe('a tree that changes while it is read', () => {
  /** The real system, but what is found there first is done just before a call of it. */
  function meanwhile(method: keyof System, act: (name: string) => void): System {
    return new Proxy(real, {
      get: (target, name: keyof System) => {
        const call = target[name] as (...args: unknown[]) => unknown;
        if (name !== method) return call;
        return (...args: unknown[]) => {
          act(String(args[1]));
          return call(...args);
        };
      },
    });
  }

  function make(script: string): { readonly tree: string; diff(system: System): void } {
    const tree = join(work, `tree-${Math.random()}`);
    mkdirSync(tree);
    inShell(tree, script);
    return {
      tree,
      diff(system) {
        const root = open(tree);
        try {
          const writer = new LayerWriter(system, new Discarded(system), undefined);
          new TreeDiffer(system, writer).diff(undefined, root);
        } finally {
          real.close(root);
        }
      },
    };
  }

  function refusal(work: () => void): OverlayerError {
    try {
      work();
    } catch (error) {
      if (OverlayerError.is(error)) return error;
      throw error;
    }
    return expect.unreachable('it was read');
  }

  test('a file that is cut off', () => {
    const { tree, diff } = make('head -c 100000 /dev/zero | tr "\\0" x > f');
    let cut = false;
    const system = meanwhile('read', () => {
      if (cut) return;
      cut = true;
      inShell(tree, 'truncate -s 50000 f');
    });
    const error = refusal(() => diff(system));
    expect(error).toMatchObject({ code: 'FailedPrecondition', entry: 'f' });
    expect(error.message).toContain('became shorter');
  });

  test.for([
    ['another file', 'rm f; echo y > g; mv g f', 'FailedPrecondition'],
    ['a FIFO, which keeps nobody waiting', 'rm f; mkfifo f', 'FailedPrecondition'],
    ['a symlink, which leads nowhere', 'rm f; ln -s /etc/passwd f', 'InvalidArgument'],
    ['nothing', 'rm f', 'NotFound'],
  ] as const)('a file in whose place comes %s', ([, script, code]) => {
    const { tree, diff } = make('echo x > f');
    const system = meanwhile('openAt', (name) => {
      if (name === 'f') inShell(tree, script);
    });
    expect(refusal(() => diff(system)).code).toBe(code);
  });

  test('a directory in whose place comes a symlink to another', () => {
    const { tree, diff } = make('mkdir d; echo x > d/f');
    const system = meanwhile('openAt', (name) => {
      if (name === 'd') inShell(tree, 'rm -r d; ln -s /etc d');
    });
    expect(['InvalidArgument', 'FailedPrecondition']).toContain(refusal(() => diff(system)).code);
  });

  test('a name that goes before it is looked at is not there', () => {
    const { tree, diff } = make('echo x > f; echo y > g');
    let gone = false;
    const system = meanwhile('statAt', () => {
      if (gone) return;
      gone = true;
      inShell(tree, 'rm g');
    });
    diff(system);
    expect(gone).toBe(true);
  });
});
