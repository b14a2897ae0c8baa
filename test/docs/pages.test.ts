import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IGNORED_CHECK } from '../cli/helpers.js';
import { checkTypes, isRoot, makeClone, PAGES, REPOSITORY, readPage, runIn } from './clone.js';

interface Block {
  readonly page: string;
  readonly language: string;
  readonly code: string;
  /** Why it is not run, if it is not. */
  readonly excuse: string | undefined;
  /** For the report. */
  readonly name: string;
}

function blocksOf(page: string): readonly Block[] {
  const fences = /^(?:<!-- not run: (?<excuse>.+) -->\n)?```(?<language>\w*)\n(?<code>.*?)^```$/gms;
  return [...readPage(page).matchAll(fences)].map(({ groups }) => {
    const { language = '', code = '', excuse } = groups!;
    const firstLine = code.split('\n').find((line) => line !== '' && !line.startsWith('import'));
    return { page, language, code, excuse, name: `${page}: ${firstLine}` };
  });
}

const blocks = PAGES.flatMap(blocksOf);
const runnable = (language: string) => blocks.filter((block) => block.language === language && !block.excuse);

// One clone for all of them: a reader pastes one example after the other.
let clone: string;
beforeAll(async () => {
  clone = makeClone();
  await runIn(clone, 'npx', ['overlayer', 'unpack', 'fixtures/layer.tar.gz', 'rootfs']);
});
afterAll(() => rmSync(clone, { recursive: true, force: true }));

describe('shell examples', () => {
  test.for(runnable('sh'))('$name', async ({ code }, { skip }) => {
    if (/\bmount |snapshots|\bserve\b/.test(code) && !isRoot) return skip('it needs root');
    expect(code).not.toMatch(IGNORED_CHECK);
    const stopAll = `trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT`;
    await runIn(clone, 'bash', ['-euo', 'pipefail', '-c', `${stopAll}\n${code}`]);
  });
});

describe('JavaScript examples', () => {
  test('have the right types', async () => {
    const files = runnable('js').map(({ code }, index) => {
      writeFileSync(join(clone, `block-${index}.mjs`), `${code}\nexport {};`);
      return `block-${index}.mjs`;
    });
    await checkTypes(clone, files);
  });

  // The README's is a file of examples/, which one of its shell examples runs.
  const pasted = runnable('js').filter(({ page }) => page !== 'README.md');
  test.for(pasted)('$name', async ({ code }, { skip }) => {
    if (/overlayer\/(snapshots|testing)/.test(code) && !isRoot) return skip('it needs root');
    writeFileSync(join(clone, 'try.mjs'), code);
    expect(await runIn(clone, process.execPath, ['try.mjs'])).not.toBe('');
  });
});

test('every example is run, or says why not', () => {
  const runBy: Readonly<Record<string, string>> = {
    sh: 'this file',
    js: 'this file',
    typescript: 'test/docs/json.test.ts',
    bash: '.ci/run',
    text: 'nothing: it is no example',
  };
  const stray = blocks.filter(
    ({ language, excuse }) => runBy[language] === undefined && excuse === undefined,
  );
  expect(stray.map(({ name }) => name)).toEqual([]);
});

describe('README', () => {
  const readme = readPage('README.md');

  test('is for the first ten minutes', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(200);
  });

  test('begins with the two commands that CI runs', () => {
    const commands = blocks.filter(({ page, language }) => page === 'README.md' && language === 'bash');
    expect(commands.map(({ code }) => code)).toEqual([
      expect.stringContaining('npm ci && npx overlayer unpack'),
      expect.stringContaining('npm ci && npm test'),
    ]);
  });

  test('shows an example as it is in examples/', () => {
    const [shown] = blocks.filter(({ page, language }) => page === 'README.md' && language === 'js');
    expect(shown?.code).toBe(readPage('examples/unpack-layer.mjs'));
  });

  test('leaves out what containerd 1.6 does not know, from a line that is printed', async () => {
    const line = /sed -i '\/(\^[^/]+)\/,\$d'/.exec(readme)?.[1];
    const serve = ['overlayer', 'serve', '--address', 'overlayer.sock', '--root', 'snapshots'];
    const printed = await runIn(clone, 'npx', [...serve, '--print-containerd-config']);
    expect(printed).toMatch(new RegExp(line!, 'm'));
  });

  test('leads to every page of docs/', () => {
    for (const page of PAGES.filter((name) => name.startsWith('docs/')))
      expect(readme).toContain(`(${page})`);
  });
});

test('pages for users name options and commands that exist, and every command', async () => {
  const completion = await runIn(clone, 'npx', ['overlayer', 'completion', 'bash']);
  const known = new Set(completion.match(/--[a-z-]+|\b[a-z]+\b/g));
  const pages = ['command-line', 'snapshots', 'containerd', 'registries'].map((name) =>
    readPage(`docs/${name}.md`),
  );
  const firstCells = pages.flatMap((page) => page.match(/^\| [^|]*(?:\\\|[^|]*)*/gm) ?? []);
  const options = firstCells.flatMap((cell) => cell.match(/--[a-z-]+[a-z]/g) ?? []);
  expect(options.filter((option) => !known.has(option))).toEqual([]);
  const commands = /words='(?<commands>[a-z ]+) --version/.exec(completion)!.groups!['commands']!.split(' ');
  for (const command of commands) expect(pages.join()).toMatch(new RegExp(`\\b${command}\\b`));
});

describe('CONTRIBUTING', () => {
  const map = readPage('CONTRIBUTING.md');

  test('has every room of the house', () => {
    const rooms = readdirSync(join(REPOSITORY, 'src'), { withFileTypes: true }).filter((it) =>
      it.isDirectory(),
    );
    for (const { name } of rooms) expect(map).toMatch(new RegExp(`^\\| \\d \\| \`${name}/\` \\|`, 'm'));
  });

  test('names files that exist', () => {
    const names = [...map.matchAll(/`(?<name>[\w./-]+\/[\w.-]+\.(?:ts|js|sh|md))`/g)].map(
      ({ groups }) => groups!['name']!,
    );
    const lost = names.filter(
      (name) => ![name, `src/${name}`].some((path) => existsSync(join(REPOSITORY, path))),
    );
    expect(lost).toEqual([]);
  });
});

/** As GitHub makes them of headings. */
function anchorsOf(page: string): readonly string[] {
  const headings = [...readPage(page).matchAll(/^#+ (.+)$/gm)];
  return headings.map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test.for(PAGES)('links of %s lead somewhere', (page) => {
  const links = [...readPage(page).matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(
    ({ groups }) => groups!['target']!,
  );
  const lost = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? page : normalize(join(dirname(page), file));
    if (!existsSync(join(REPOSITORY, target))) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor);
  });
  expect(lost).toEqual([]);
});
