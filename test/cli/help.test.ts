import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { parseSize } from '../../src/cli/flags/declare.js';
import { createProgram } from '../../src/cli/program.js';
import { DEFAULT_LIMITS } from '../../src/index.js';
import { overlayer } from './helpers.js';

test.each(['--version', '-V'])('%s prints the version of the package', async (flag) => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await overlayer([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('help has examples, commands and the exit codes', async () => {
  const { code, stdout } = await overlayer(['--help']);
  expect(code).toBe(0);
  for (const text of [
    'Examples:',
    'overlayer unpack layer.tar.gz rootfs',
    'inspect',
    'completion',
    ' 16 ',
    ' 130 ',
  ])
    expect(stdout).toContain(text);
});

test('without a command it is the help, and a usage error', async () => {
  const { code, stdout, stderr } = await overlayer([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('Usage: overlayer');
});

test('the limits in the help are the limits', async () => {
  const { stdout } = await overlayer(['unpack', '--help'], { env: { ...process.env, COLUMNS: '200' } });
  const shown = [...stdout.matchAll(/--(max-[a-z-]+) .*\((\d+[A-Z]?)\)/g)].map(([, flag, size]) => [
    flag!.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    parseSize(size!),
  ]);
  expect(Object.fromEntries(shown)).toEqual(DEFAULT_LIMITS);
});

test('every help fits 80 columns, and no summary is wrapped', async () => {
  const helpOf = (command: Command): string => {
    const parts: string[] = [];
    command.configureOutput({ writeOut: (part) => void parts.push(part), getOutHelpWidth: () => 80 });
    command.outputHelp();
    return parts.join('');
  };
  const commandsOf = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsOf)];
  const texts = commandsOf(await createProgram('1')).map(helpOf);
  expect(texts.length).toBeGreaterThan(40);
  for (const text of texts) {
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    const [, list = ''] = /^Commands:\n((?: .*\n)+)/m.exec(text) ?? [];
    for (const line of list.split('\n').filter(Boolean)) expect(line).toMatch(/^ {2}\w+ +\S/);
  }
});

test('each command is declared alone, without the others', async () => {
  const namesOf = ({ commands }: Command) => commands.map((command) => command.name());
  for (const name of namesOf(await createProgram('1')))
    expect(namesOf(await createProgram('1', [name]))).toContain(name);
});

test('help COMMAND is the help of the command', async () => {
  const [asked, option] = await Promise.all([overlayer(['help', 'pull']), overlayer(['pull', '--help'])]);
  expect(asked).toEqual(option);
});
