import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needsProgram, overlayer, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

/** A directory with the completion script, a file and a directory to complete. */
async function prepared(shell: string): Promise<{ directory: string; script: string }> {
  const directory = temporaryDirectory();
  const script = join(directory, `_overlayer.${shell}`);
  const { code, stdout } = await overlayer(['completion', shell]);
  expect(code).toBe(0);
  writeFileSync(script, stdout);
  mkdirSync(join(directory, 'place'));
  writeFileSync(join(directory, 'plain.tar'), '');
  return { directory, script };
}

/** Keys that come before the shell waits for them are shown where they do not belong. */
const PROMPT = /^ready\n\$$/;

test.for(['bash', 'zsh', 'fish'])('the script for %s has no syntax error', async (shell, context) => {
  needsProgram(context, shell);
  const { script } = await prepared(shell);
  const checked = spawnSync(shell, ['-n', script], { encoding: 'utf8' });
  expect(checked).toMatchObject({ status: 0, stderr: '' });
});

test('bash proposes commands, options, values and files', async (context) => {
  needsProgram(context, 'tmux');
  const { directory, script } = await prepared('bash');
  const terminal = new Terminal('bash --norc', directory);
  terminal.run(`source ${script}; clear; echo ready`);
  await terminal.shows(PROMPT);
  terminal.type(
    'overlayer unp',
    'Tab',
    '--targ',
    'Tab',
    'ov',
    'Tab',
    '--lower ',
    'Tab',
    ' pla',
    'Tab',
    'i',
    'Tab',
  );
  await terminal.shows(/\$ overlayer unpack --target overlay --lower place\/ plain\.tar$/);
});

test('bash proposes what is below a command', async (context) => {
  needsProgram(context, 'tmux');
  const { directory, script } = await prepared('bash');
  const terminal = new Terminal('bash --norc', directory);
  terminal.run(`source ${script}; clear; echo ready`);
  await terminal.shows(PROMPT);
  terminal.type(
    'overlayer sn',
    'Tab',
    'unp',
    'Tab',
    '--back',
    'Tab',
    'nat',
    'Tab',
    '--root ',
    'Tab',
    ' pla',
    'Tab',
  );
  terminal.type('i', 'Tab');
  await terminal.shows(/\$ overlayer snapshots unpack --backend native --root place\/ plain\.tar$/);
});

test('zsh proposes commands, options, values and files', async (context) => {
  needsProgram(context, 'zsh');
  needsProgram(context, 'tmux');
  const { directory, script } = await prepared('zsh');
  const terminal = new Terminal('zsh -f', directory);
  terminal.run(`autoload -U compinit; compinit -D; source ${script}; clear; echo ready`);
  await terminal.shows(PROMPT);
  terminal.type('overlayer unp', 'Tab', '--targ', 'Tab', 'ov', 'Tab', '--lower=', 'Tab', ' plain', 'Tab');
  await terminal.shows(/\$ overlayer unpack --target=overlay --lower=place\/? plain\.tar$/);
});

test('zsh proposes what is below a command', async (context) => {
  needsProgram(context, 'zsh');
  needsProgram(context, 'tmux');
  const { directory, script } = await prepared('zsh');
  const terminal = new Terminal('zsh -f', directory);
  terminal.run(`autoload -U compinit; compinit -D; source ${script}; clear; echo ready`);
  await terminal.shows(PROMPT);
  terminal.type('overlayer sn', 'Tab', 'unp', 'Tab', '--back', 'Tab', 'nat', 'Tab', ' plain', 'Tab');
  await terminal.shows(/\$ overlayer snapshots unpack --backend=native plain\.tar$/);
});

test.for<[line: string, proposals: string[]]>([
  ['overlayer unp', ['unpack']],
  ['overlayer completion ', ['bash', 'fish', 'zsh']],
  ['overlayer unpack --target ', ['directory', 'erofs', 'overlay']],
  ['overlayer unpack --lower ', ['place/']],
  ['overlayer unpack pl', ['place/', 'plain.tar']],
  ['overlayer snapshots un', ['unmount', 'unpack']],
  ['overlayer snapshots prepare --backend ', ['erofs', 'native', 'overlay']],
  ['overlayer snapshots unpack --root ', ['place/']],
])('fish completes "%s"', async ([line, proposals], context) => {
  needsProgram(context, 'fish');
  const { directory, script } = await prepared('fish');
  const listed = spawnSync('fish', ['-c', `source ${script}; complete -C '${line}'`], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, HOME: directory },
  });
  expect(
    listed.stdout
      .trimEnd()
      .split('\n')
      .map((proposal) => proposal.split('\t')[0]),
  ).toEqual(proposals);
});
