import { describe, expect, test } from 'vitest';
import type { Privileges } from '../helpers/mount-namespace.js';
import { useNamespace } from '../helpers/namespace-process.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];

/** Programs that are killed while they are in `end`. */
const PROGRAMS = {
  withMount: `overlayer.withMount([{ type: 'bind', source, options: ['rbind'] }], end)`,
  'mounts in mounts': `overlayer.withMount([
    { type: 'tmpfs', source: 'tmpfs', options: [] },
    { type: 'bind', source, target: '/', options: ['rbind'] },
  ], end)`,
  'layers attached for kernels before 6.15': `(await load('mount/kinds/temporary-place.js')).withTemporaryPlace(
    system, async (place) => {
      place.attach(system.cloneTree(source, { recursive: false }));
      place.attach(system.cloneTree(source, { recursive: false }));
      await end();
    })`,
  'short names for mount(2)': `(await load('mount/kinds/short-names.js')).mountWithShortNames(
    system, [source, source], end)`,
} as const;

/** Says so, and stays there. */
const END = `() => { console.log('here'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }`;

describe.each(USERS)('directories for mounts, %s', (privileges) => {
  const namespace = useNamespace(privileges);

  test.each(Object.entries(PROGRAMS))(
    'the next call removes what a killed process left, and not what a living one has: %s',
    async (_, program) => {
      const code = `(async () => {
        const load = (path) => import(${JSON.stringify(new URL('../../dist/', import.meta.url).href)} + path);
        const overlayer = await load('index.js');
        const system = (await load('system/linux-mount.js')).openLinuxMountSystem();
        const source = process.argv[1];
        const end = ${END};
        await (${program});
      })()`;
      const seen = await namespace.inside.run(
        async ({ overlayer, fs, path, child }, root, code) => {
          const temporary = path.join(root, 'tmp');
          const source = path.join(root, 'source');
          for (const directory of [temporary, source]) fs.mkdirSync(directory);
          fs.writeFileSync(path.join(source, 'file'), 'content');
          process.env['TMPDIR'] = temporary;
          const next = async () => {
            await overlayer.withMount([{ type: 'bind', source, options: ['bind'] }], () => {});
            const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
            const names = fs.readdirSync(temporary).length;
            return { names, isMounted: mounts.some((line) => line.includes(temporary)) };
          };
          const process_ = child.spawn(process.execPath, ['-e', code, source], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          const exit = new Promise((resolve) => process_.once('exit', resolve));
          await new Promise((resolve) => process_.stdout.once('data', resolve));
          const living = await next();
          process_.kill('SIGKILL');
          await exit;
          const killed = await next();
          return { living: living.names, killed, source: fs.readdirSync(source) };
        },
        namespace.directory(),
        code,
      );
      expect(seen).toEqual({ living: 1, killed: { names: 0, isMounted: false }, source: ['file'] });
    },
  );

  test('what a program still uses stays until it ends', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path, child }, root) => {
      const temporary = path.join(root, 'tmp');
      const dead = path.join(temporary, 'overlayer-mount-Abc123', 'mounted');
      fs.mkdirSync(dead, { recursive: true });
      const mount = { type: 'tmpfs', source: 'tmpfs', options: [] };
      await overlayer.mountAll([mount], dead);
      process.env['TMPDIR'] = temporary;
      const next = async () => {
        await overlayer.withMount([mount], () => {});
        return fs.readdirSync(temporary).length;
      };
      const user = child.spawn('cat', { cwd: dead, stdio: ['pipe', 'pipe', 'inherit'] });
      const exit = new Promise((resolve) => user.once('exit', resolve));
      const begin = performance.now();
      const used = await next();
      // It does not wait for the program, as an unmount would for 2.5 s.
      const soon = performance.now() - begin < 2000;
      user.stdin.end();
      await exit;
      return { used, soon, unused: await next() };
    }, namespace.directory());
    expect(seen).toEqual({ used: 1, soon: true, unused: 0 });
  });
});

describe('directories for mounts of others', () => {
  const namespace = useNamespace('root');

  test('a symlink in a directory of another user unmounts nothing', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const temporary = path.join(root, 'tmp');
      const planted = path.join(temporary, 'overlayer-mount-Abc123');
      const victim = path.join(root, 'victim');
      for (const directory of [planted, victim]) fs.mkdirSync(directory, { recursive: true });
      const mount = { type: 'tmpfs', source: 'tmpfs', options: [] };
      await overlayer.mountAll([mount], victim);
      fs.writeFileSync(path.join(victim, 'file'), '');
      fs.symlinkSync(victim, path.join(planted, 'mounted'));
      fs.chownSync(planted, 65534, 65534);
      process.env['TMPDIR'] = temporary;
      await overlayer.withMount([mount], () => {});
      return { victim: fs.readdirSync(victim), planted: fs.readdirSync(planted) };
    }, namespace.directory());
    expect(seen).toEqual({ victim: ['file'], planted: ['mounted'] });
  });

  test('a mount on a directory of that name, and files in one, stay', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const temporary = path.join(root, 'tmp');
      const mounted = path.join(temporary, 'overlayer-mount-Abc123');
      const notes = path.join(temporary, 'overlayer-mount-notes');
      const source = path.join(root, 'source');
      for (const directory of [mounted, notes, source]) fs.mkdirSync(directory, { recursive: true });
      for (const directory of [notes, source]) {
        fs.writeFileSync(path.join(directory, 'file'), '');
        fs.symlinkSync('file', path.join(directory, 'link'));
        fs.mkdirSync(path.join(directory, 'mounted'));
      }
      await overlayer.mountAll([{ type: 'bind', source, options: ['bind'] }], mounted);
      process.env['TMPDIR'] = temporary;
      await overlayer.withMount([{ type: 'tmpfs', source: 'tmpfs', options: [] }], () => {});
      return [source, mounted, notes].map((directory) => fs.readdirSync(directory).sort());
    }, namespace.directory());
    const all = ['file', 'link', 'mounted'];
    expect(seen).toEqual([all, all, all]);
  });
});
