import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appImage } from '../helpers/app-image.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { terminalPicture } from '../helpers/terminal-picture.js';
import { needsProgram, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

/** A directory for pictures of the screen: docs/explore-terminal.svg and docs/explore-terminal-80x24.svg are two of them. */
const PICTURES = process.env['OVERLAYER_PICTURES'];

test.for([
  [120, 28, 'explore-terminal'],
  [80, 24, 'explore-terminal-80x24'],
] as const)('the screen of %i columns and %i rows as a picture', async ([columns, rows, name], context) => {
  needsProgram(context, 'tmux');
  const directory = temporaryDirectory();
  const { layers, config } = appImage(2);
  writeFiles(join(directory, 'app'), layoutFiles({}, layers, config));
  const terminal = new Terminal('bash --norc', directory, [columns, rows]);
  terminal.run('clear; overlayer explore app --progress none');
  await terminal.shows(/LAYERS +FILES/);
  terminal.type('G');
  await terminal.shows(/CHANGES OF LAYER 5/);
  terminal.type(
    'Tab',
    'Right',
    'Down',
    'Right',
    'Down',
    'Right',
    'G',
    'Right',
    'Down',
    'Right',
    'Down',
    'Right',
  );
  await terminal.shows(/▾ lists\/|D +\d.* lists/);
  const picture = terminalPicture(terminal.styledScreen(), columns, rows);
  expect(picture).toContain('LAYERS');
  expect(picture).not.toContain('\x1b');
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  writeFileSync(join(PICTURES, `${name}.svg`), picture);
});
