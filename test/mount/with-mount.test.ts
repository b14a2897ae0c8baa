import { describe, expect, test } from 'vitest';
import type { Privileges } from '../helpers/mount-namespace.js';
import type { Inside } from '../helpers/namespace-process.js';
import { useNamespace } from '../helpers/namespace-process.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];

/** How a `withMount` went. */
interface Outcome {
  readonly result?: unknown;
  readonly error?: string;
  /** What stayed mounted or in the directory for temporary files. */
  readonly left: readonly string[];
}

describe.each(USERS)('withMount, %s', (privileges) => {
  const namespace = useNamespace(privileges);

  /** Binds a directory with a file in it, unless other mounts are given. */
  async function outcomeOf(
    use: (directory: string, inside: Inside, abort: AbortController) => unknown,
    { options = ['rbind'], aborted = false }: { options?: readonly string[]; aborted?: boolean } = {},
  ): Promise<Outcome> {
    return await namespace.inside.run(
      async (inside, root, use, options, aborted) => {
        const { overlayer, fs, path } = inside;
        const temporary = path.join(root, 'tmp');
        const source = path.join(root, 'source');
        for (const directory of [temporary, source]) fs.mkdirSync(directory);
        fs.writeFileSync(path.join(source, 'file'), 'content');
        process.env['TMPDIR'] = temporary;
        const abort = new AbortController();
        if (aborted) abort.abort(new Error('the reason'));
        // biome-ignore lint/security/noGlobalEval: a function crosses to this process as its text
        const work = globalThis.eval(`(${use})`);
        const outcome = await overlayer
          .withMount(
            [{ type: 'bind', source, options }],
            (directory) => work(directory, inside, abort) as unknown,
            { signal: abort.signal },
          )
          .then(
            (result) => ({ result: result as string }),
            (error) => ({ error: (error as Error).message }),
          );
        const mounts = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
        const left = [...fs.readdirSync(temporary), ...mounts.filter((line) => line.includes(root))];
        if (!fs.existsSync(path.join(source, 'file'))) left.push('the source lost its file');
        return { ...outcome, left };
      },
      namespace.directory(),
      use.toString(),
      options,
      aborted,
    );
  }

  test('its return value is the result, and the mount is gone', async () => {
    const outcome = await outcomeOf((directory, { fs }) => fs.readdirSync(directory));
    expect(outcome).toEqual({ result: ['file'], left: [] });
  });

  test('its error is thrown, and the mount is gone', async () => {
    const outcome = await outcomeOf(() => {
      throw new Error('of its own');
    });
    expect(outcome).toEqual({ error: 'of its own', left: [] });
  });

  test('an abort ends it at once, and the mount is gone', async () => {
    const outcome = await outcomeOf((directory, { fs }, abort) => {
      fs.openSync(`${directory}/file`, 'r');
      abort.abort(new Error('the reason'));
      return new Promise(() => {});
    });
    expect(outcome).toEqual({ error: 'the reason', left: [] });
  });

  test('an abort that came before: nothing is mounted', async () => {
    expect(await outcomeOf(() => 'used', { aborted: true })).toEqual({ error: 'the reason', left: [] });
  });

  test('a mount that fails leaves no directory', async () => {
    const outcome = await outcomeOf(() => 'used', { options: ['rbind', 'loop'] });
    expect(outcome).toEqual({ error: 'Mount option "loop" is not supported', left: [] });
  });

  test('a file left open is an error, and the mount is gone', async () => {
    const outcome = await outcomeOf((directory, { fs }) => fs.openSync(`${directory}/file`, 'r'));
    expect(outcome.error).toContain('something is open there');
    expect(outcome.left).toEqual([]);
  });

  test('many at once', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs }, root) => {
      const use = (number: number) =>
        overlayer.withMount([{ type: 'tmpfs', source: 'tmpfs', options: [] }], async (directory) => {
          fs.writeFileSync(`${directory}/file`, String(number));
          await new Promise(setImmediate);
          return Number(fs.readFileSync(`${directory}/file`, 'utf8'));
        });
      const results = await Promise.all(Array.from({ length: 30 }, (_, number) => use(number)));
      return { results, left: fs.readdirSync(root) };
    }, namespace.directory());
    expect(seen).toEqual({ results: Array.from({ length: 30 }, (_, number) => number), left: [] });
  });

  test('an overlay with volatile can be mounted again', async () => {
    const userxattr = privileges === 'root' ? [] : ['userxattr'];
    const seen = await namespace.inside.run(
      async ({ overlayer, fs, path }, root, userxattr) => {
        const at = (name: string) => path.join(root, name);
        for (const name of ['lower', 'upper', 'work']) fs.mkdirSync(at(name));
        const layers = [`lowerdir=${at('lower')}`, `upperdir=${at('upper')}`, `workdir=${at('work')}`];
        const mount = { type: 'overlay', source: 'overlay', options: [...layers, ...userxattr, 'volatile'] };
        const write = (name: string) =>
          overlayer.withMount([mount], (directory) => fs.writeFileSync(path.join(directory, name), ''));
        await write('first');
        await write('second');
        return fs.readdirSync(at('upper'));
      },
      namespace.directory(),
      userxattr,
    );
    expect(seen).toEqual(['first', 'second']);
  });
});
