import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import { dir, fifo, file, header, symlink, tar } from '../helpers/tar-builder.js';
import { readTree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const work = makeWorkDirectory();
afterAll(() => execFileSync('rm', ['-rf', work]));

const INDEX = new URL('../../dist/index.js', import.meta.url).href;
const TREE_THREADS = new URL('../../dist/snapshot/trees/tree-threads.js', import.meta.url).href;

/** Runs a program that has `unpackLayer` and its arguments at hand, until it ends by itself. */
function run(body: string, args: readonly string[], umask = 0o022): string {
  const program = `
    import { createDiff, planLayer, unpackLayer, warmUp } from ${JSON.stringify(INDEX)};
    const args = process.argv.slice(1);
    ${body}`;
  const node = [process.execPath, '--input-type=module', '-e', program, ...args];
  const script = `umask ${umask.toString(8)}; exec "$@"`;
  const { stdout, stderr, status, error } = spawnSync('sh', ['-c', script, 'sh', ...node], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`the process ended with ${status ?? error}: ${stderr}`);
  return stdout;
}

const archive = tar(
  dir('d', { mode: 0o2777 }),
  file('d/f', 'x', { mode: 0o666 }),
  file('setuid', 'x', { mode: 0o4777, uid: 1000 }),
  dir('e', { mode: 0o1777, uid: 1000 }),
  fifo('p', { mode: 0o662 }),
  symlink('l', 'd'),
  file('implicit/f', 'x', { mode: 0o777 }),
);
const layer = join(work, 'layer.tar.gz');
writeFileSync(layer, gzipSync(archive));
/** More operations than may be on their way at once. */
const manyFiles = join(work, 'many-files.tar');
writeFileSync(manyFiles, tar(...Array.from({ length: 20_000 }, (_, index) => file(`f${index}`, ''))));

describe('a process that unpacks', () => {
  test('ends by itself', () => {
    const out = run(`const { entries } = await unpackLayer(args[0], args[1]); console.log(entries);`, [
      layer,
      join(work, 'ends'),
    ]);
    expect(out).toBe('7\n');
  });

  test('ends by itself after a failure, an abort and a plan', () => {
    const out = run(
      `
      const failed = await unpackLayer(args[0], args[1], { limits: { maxEntries: 1 } }).catch((e) => e.code);
      const controller = new AbortController();
      const stopped = unpackLayer(new ReadableStream({}), args[1], { signal: controller.signal }).catch((e) => e);
      setTimeout(() => controller.abort('stopped'), 50);
      for await (const { operation } of planLayer(args[0])) { console.log(operation.path); break; }
      console.log(failed, await stopped);
      `,
      [layer, join(work, 'fails')],
    );
    expect(out).toBe('d\nResourceExhausted stopped\n');
  });

  test.each([
    ['a plan', 'planLayer(args[0])'],
    ['a diff', `createDiff({ upper: args[1] }, { compression: 'none', onProgress() {} })`],
  ])('ends after it took one step of %s', (_, task) => {
    const out = run(
      `
      const { done } = await ${task}[Symbol.asyncIterator]().next();
      console.log(done);
      `,
      [manyFiles, join(process.cwd(), 'node_modules/typescript/lib')],
    );
    expect(out).toBe('false\n');
  });

  // The addon that loads in the threads aborts the process when it is stopped then.
  for (const ms of [0, 15, 30, 45, 60, 75, 90, 105, 120, 150])
    test(`may be ended ${ms} ms after its threads began to start`, () => {
      const trees = `(await import(${JSON.stringify(TREE_THREADS)})).treeThreads.warmUp();`;
      expect(run(`warmUp(); ${trees} setTimeout(() => process.exit(), ${ms});`, [])).toBe('');
    });

  test('ends after it gave up a FIFO that nobody writes to', () => {
    const path = join(work, 'silent');
    execFileSync('mkfifo', [path]);
    const out = run(
      `
      const signal = AbortSignal.timeout(100);
      console.log(await unpackLayer(args[0], args[1], { signal }).catch((e) => e.name));
      `,
      [path, join(work, 'never')],
    );
    expect(out).toBe('TimeoutError\n');
  });

  test('stays alive until the work is done', () => {
    const out = run(`unpackLayer(args[0], args[1]).then(({ entries }) => console.log(entries));`, [
      layer,
      join(work, 'alive'),
    ]);
    expect(out).toBe('7\n');
  });
});

describe('the umask of the caller', () => {
  for (const umask of [0o000, 0o022, 0o077, 0o777])
    test(`${umask.toString(8).padStart(3, '0')} has no say, and stays`, () => {
      const dest = join(work, `umask-${umask}`);
      const out = run(
        `
        await unpackLayer(args[0], args[1]);
        console.log(process.umask().toString(8));
        `,
        [layer, dest],
        umask,
      );
      expect(out).toBe(`${umask.toString(8)}\n`);
      const modes = [...readTree(dest)].map(([path, { mode }]) => `${path} ${mode}`);
      expect(modes).toEqual([
        '. 0755',
        'd 2777',
        'd/f 0666',
        'e 1777',
        'implicit 0755',
        'implicit/f 0777',
        'l 0777',
        'p 0662',
        'setuid 4777',
      ]);
    });
});

describe('the caller', () => {
  const large = tar(
    ...Array.from({ length: 2000 }, (_, index) => file(`d${index % 50}/f${index}`, 'x'.repeat(20_000))),
  );
  const source = join(work, 'large.tar');
  writeFileSync(source, large);

  test('has its event loop while a layer is unpacked', async ({ box }) => {
    // Coarse: the bar is measured in native-bench. Work in the caller's thread would block it for all the time.
    await box.unpack(source);
    box.empty();
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    await box.unpack(source);
    const took = performance.now() - began;
    delay.disable();
    clearInterval(timer);
    expect(turns).toBeGreaterThan(took / 50);
    expect(delay.percentile(50) / 1e6).toBeLessThan(50);
  });

  test('keeps its memory: a layer of 400 MB takes no more than a small one', { timeout: 60_000 }, () => {
    const peak = (megabytes: number) => {
      const program = `
        function* layer() {
          yield Buffer.from(args[1], 'base64');
          // Each in memory of its own: one that is kept is seen.
          for (let count = 0; count < Number(args[2]); count++) yield Buffer.alloc(1 << 20, 'x');
          yield Buffer.alloc(1024);
        }
        await unpackLayer(layer(), args[0], { sync: false });
        console.log(process.resourceUsage().maxRSS);
      `;
      const dest = join(work, `memory-${megabytes}`);
      const head = header({ name: 'f', size: megabytes * 1024 ** 2 });
      const out = run(program, [dest, head.toString('base64'), String(megabytes)]);
      rmSync(dest, { recursive: true });
      return Number(out) / 1024;
    };
    const [small, big] = [peak(20), peak(400)];
    expect(big).toBeLessThan(small + 60);
    expect(big).toBeLessThan(250);
  });
});
