import { expect, test } from 'vitest';
import { overlayer } from './helpers.js';

test.each<[string, string[], string, number, RegExp]>([
  [
    'a page of HTML in place of a layer',
    ['inspect', '-'],
    `<!DOCTYPE html>${' '.repeat(600)}`,
    3,
    /not a tar archive: .* begins with the text "<!DOCTYPE html> +…";/,
  ],
  [
    'an option before the command of a group',
    ['images', '--root', 'x'],
    '',
    2,
    /: a command takes it \(overlayer images ls --root\)\n$/,
  ],
  [
    'an option before the first command',
    ['--root', 'x', 'images', 'ls'],
    '',
    2,
    /: a command takes it \(overlayer pull --root\)\n$/,
  ],
  ['an empty address', ['serve', '--address', ''], '', 3, /^overlayer: Not a path: address is ""\n$/],
])('%s is named in the error', async (_, args, input, code, says) => {
  const result = await overlayer(args, { input: Buffer.from(input) });
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toMatch(says);
});
