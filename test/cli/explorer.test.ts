import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { configOf, json, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { controlCharacters, needsProgram, overlayer, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

const LAYERS = [
  tar(
    dir('etc'),
    file('etc/passwd', 'p'.repeat(1200)),
    file('usr/lib/large', 'l'.repeat(50_000)),
    file('usr/lib/small', 's'.repeat(300)),
    file('var/cache/gone', 'g'.repeat(9000)),
    symlink('lib', 'usr/lib'),
    file('etc/\x1b[31mred\x07', 'r'),
    file('usr/notes', 'first\nsecond \x1b[31m\n'),
  ),
  tar(
    dir('etc'),
    file('etc/passwd', 'q'.repeat(1300)),
    whiteout('var/cache'),
    file('opt/app', 'a'.repeat(700)),
  ),
];

function makeLayout(): string {
  const directory = temporaryDirectory();
  const config = {
    ...JSON.parse(configOf(LAYERS).toString()),
    history: [
      { created_by: '/bin/sh -c #(nop) ADD base' },
      { created_by: 'RUN install \x1b]0;title\x07app' },
    ],
  };
  writeFiles(join(directory, 'layout'), layoutFiles({}, LAYERS, json(config)));
  return directory;
}

function open(context: TestContext, size: readonly [number, number], environment = ''): Terminal {
  needsProgram(context, 'tmux');
  const terminal = new Terminal('bash --norc', makeLayout(), size);
  terminal.run(`${environment} overlayer explore layout --progress none; echo code=$?`);
  return terminal;
}

describe.each([
  [80, 24],
  [160, 50],
] as const)('on a terminal of %i columns and %i rows', (...size) => {
  test('the layers stand beside the tree, and keys lead through them', async (context) => {
    const terminal = open(context, size);
    await terminal.shows(/LAYERS +FILES/);
    await terminal.shows(/52\.3 kB in 12 entries, wasted 10\.2 kB/);
    await terminal.shows(/50\.3 kB ▸ usr\//);
    terminal.type('Down', 'Down');
    await terminal.shows(/CHANGES OF LAYER 1/);
    await terminal.shows(/D +9 kB ▸ cache\/|▸ var\//);
    terminal.type('Tab', 'Right');
    await terminal.shows(/▾ var\//);
    await terminal.shows(/D +9 kB +▸ cache\//);
    terminal.type('Down', 'Left', 'Left');
    await terminal.shows(/▸ var\//);
    terminal.type('q');
    await terminal.shows(/code=0/);
    expect(terminal.screen()).not.toContain('LAYERS');
  });

  test('a filter shows the paths that have a text', async (context) => {
    const terminal = open(context, size);
    await terminal.shows(/▸ usr\//);
    terminal.type('/', 'SMALL');
    await terminal.shows(/▾ lib\/(.|\n)*300 B +small/);
    expect(terminal.screen()).not.toContain('large');
    terminal.type('BSpace', 'BSpace', 'BSpace', 'BSpace', 'BSpace', 'large', 'Enter');
    await terminal.shows(/50 kB +large/);
    terminal.type('Escape');
    await terminal.shows(/▸ usr\//);
    expect(terminal.screen()).not.toContain('large');
  });

  test('a file is read, with what a terminal must not get escaped', async (context) => {
    const terminal = open(context, size);
    await terminal.shows(/▸ usr\//);
    terminal.type('Tab', '/', 'notes', 'Enter', 'Down', 'Enter');
    await terminal.shows(/notes +Esc goes back\nfirst\nsecond \\x1b\[31m/);
    terminal.type('Escape');
    await terminal.shows(/LAYERS/);
  });

  test('waste and help', async (context) => {
    const terminal = open(context, size);
    await terminal.shows(/LAYERS/);
    terminal.type('w');
    await terminal.shows(/9 kB +removed later +0 by 1 +\/var\/cache/);
    terminal.type('Escape', '?');
    await terminal.shows(/KEYS(.|\n)*a page up or down/);
    terminal.type('x', 'q');
    await terminal.shows(/code=0/);
  });
});

test('names and commands of the image reach the terminal escaped', async (context) => {
  const terminal = open(context, [160, 30]);
  await terminal.shows(/RUN install \\x1b\]0;title\\x07app/);
  terminal.type('/', 'red');
  await terminal.shows(/\\x1b\[31mred\\x07/);
  expect(terminal.record()).not.toContain('\x1b]0;title');
  expect(terminal.record()).not.toContain('\x1b[31mred');
});

test('without colours the letters say the same', async (context) => {
  const terminal = open(context, [80, 24], 'NO_COLOR=1 CI=true');
  await terminal.shows(/LAYERS/);
  const before = terminal.record().length;
  terminal.type('Down', 'Down', 'Tab');
  await terminal.shows(/D +9 kB|C +1\.3 kB|A +700 B/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of a terminal
  expect(terminal.record().slice(before)).not.toMatch(/\x1b\[3[1-7]m/);
});

test('a signal ends it, and the terminal is as before', async (context) => {
  const terminal = open(context, [80, 24]);
  await terminal.shows(/LAYERS/);
  terminal.type('C-c');
  await terminal.shows(/code=/);
  expect(terminal.screen()).not.toContain('LAYERS');
});

describe('without a terminal it is text', () => {
  test('with a table of the layers, and what could be smaller', async () => {
    const layout = join(makeLayout(), 'layout');
    const { code, stdout, stderr } = await overlayer(['explore', layout]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^0 .* ADD base$/m);
    expect(stdout).toMatch(/ 9 kB +1 +removed later +0 +1 +\/var\/cache$/m);
    expect(stdout).toMatch(/1\.2 kB +1 +written again +0 +1 +\/etc\/passwd$/m);
    expect(controlCharacters(stdout)).toEqual([]);
  });

  test('checks: what fails is the exit code 1', async () => {
    const layout = join(makeLayout(), 'layout');
    const failed = await overlayer(['explore', layout, '--max-wasted', '5kB', '--max-setuid', '0']);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/FAILED +wastedBytes +10\.2 kB +at most 5 kB/);
    expect(failed.stdout).toMatch(/passed +setuid +0 +at most 0/);
    const passed = await overlayer(['explore', layout, '--ci', '--min-efficiency', '0.5', '--json']);
    expect(passed.code).toBe(0);
    expect(JSON.parse(passed.stdout).checks).toMatchObject([
      { name: 'efficiency', limit: 0.5, passed: true },
    ]);
    expect((await overlayer(['explore', layout, '--min-efficiency', '2'])).code).toBe(3);
  });

  test('checks are printed beside a page and a comparison, too', async () => {
    const directory = makeLayout();
    const [layout, page] = [join(directory, 'layout'), join(directory, 'page.html')];
    const checked = (...args: readonly string[]) =>
      overlayer(['explore', layout, '--max-wasted', '5kB', ...args]);
    const failed = /^FAILED +wastedBytes +10\.2 kB +at most 5 kB$/m;
    expect(await checked('--html', page)).toMatchObject({ code: 1, stdout: expect.stringMatching(failed) });
    const json = await checked('--html', page, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ path: page, checks: [{ passed: false }] });
    const piped = await checked('--html', '-');
    expect(piped).toMatchObject({ code: 1, stderr: expect.stringMatching(failed) });
    expect(piped.stdout).toMatch(/^<!doctype html>.*<\/html>\n?$/is);
    expect(await checked('--compare', layout)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(failed),
    });
  });

  test('what an image has in another way than an older one', async () => {
    const directory = makeLayout();
    writeFiles(join(directory, 'old'), layoutFiles({}, [LAYERS[0]!]));
    const [layout, old] = [join(directory, 'layout'), join(directory, 'old')];
    const { stdout } = await overlayer(['explore', layout, '--compare', old]);
    expect(stdout).toMatch(/^C +\+100 B +\/etc\/passwd$/m);
    expect(stdout).toMatch(/^D +-9 kB +\/var\/cache\/gone$/m);
    expect(stdout).toMatch(/^A +\+700 B +\/opt\/app$/m);
    expect(stdout).toMatch(/2 entries added, 1 changed, 0 in metadata only, 2 removed: -8\.2 kB$/m);
  });

  test('an image that does not exist', async () => {
    const { code, stderr } = await overlayer(['explore', 'none:1', '--root', temporaryDirectory()]);
    expect({ code, stderr }).toMatchObject({ code: 5, stderr: expect.stringContaining('docker://none:1') });
    const stored = await overlayer(['explore', 'store:none:1', '--root', temporaryDirectory()]);
    expect(stored.code).toBe(5);
  });
});
