import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { needsProgram, tarOf, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

const LAYER = await tarOf({ name: 'first', content: 'x' }, { name: 'second', content: randomBytes(2 ** 20) });

test('a stream shows bytes, rate and entries while it comes, and a summary at its end', async (context) => {
  needsProgram(context, 'tmux');
  const directory = temporaryDirectory();
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  const terminal = new Terminal('bash --norc', directory);
  terminal.run('overlayer unpack - rootfs < fifo');
  const fifo = createWriteStream(join(directory, 'fifo'));
  let sent = 0;
  const sendSome = (): string => {
    fifo.write(LAYER.subarray(sent, sent + 4096));
    sent += 4096;
    return terminal.screen();
  };
  // As slow as the screen is looked at: the progress has time to show.
  await expect.poll(sendSome, { timeout: 20_000 }).toMatch(/^[\d.]+ [kM]B, [\d.]+ k?B\/s, \d entr(y|ies)$/m);
  fifo.end(LAYER.subarray(sent));
  await terminal.shows(/^Unpacked standard input into rootfs in /m);
  expect(terminal.screen()).not.toMatch(/B\/s/);
  expect(existsSync(join(directory, 'rootfs/second'))).toBe(true);
});

test('a file shows a bar with the time left', async (context) => {
  needsProgram(context, 'tmux');
  const directory = temporaryDirectory();
  // The slowest decoder, and enough data to keep it busy.
  const block = { content: Buffer.alloc(16 * 2 ** 20, randomBytes(20_000)) };
  const blocks = Array.from({ length: 40 }, (_, i) => ({ name: `block-${i}`, ...block }));
  writeFileSync(join(directory, 'layer'), gzipSync(await tarOf(...blocks), { level: 1 }));
  const terminal = new Terminal('bash --norc', directory);
  terminal.run('overlayer unpack --gzip zlib layer rootfs');
  await terminal.shows(/^Unpacked layer into rootfs in /m);
  expect(terminal.record()).toMatch(
    /█+░+ [\d.]+ MB of [\d.]+ MB \(\d+ %\), [\d.]+ MB\/s, [\d.]+ s left, \d+ entr/,
  );
  expect(terminal.screen()).not.toMatch(/█/);
});

test('Ctrl-C says what was left and gives the terminal back', async (context) => {
  needsProgram(context, 'tmux');
  const directory = temporaryDirectory();
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  const terminal = new Terminal('bash --norc', directory);
  terminal.run('overlayer unpack - rootfs < fifo; echo code=$?');
  const fifo = createWriteStream(join(directory, 'fifo'));
  fifo.on('error', () => {});
  const sendSome = (): string => {
    fifo.write(Buffer.alloc(4096));
    return terminal.screen();
  };
  fifo.write(LAYER.subarray(0, 4096));
  await expect.poll(sendSome, { timeout: 20_000 }).toMatch(/B\/s/);
  terminal.type('C-c');
  await terminal.shows(/^overlayer: stopped by SIGINT; nothing was left at "rootfs"\ncode=130$/m);
  fifo.destroy();
  expect(readdirSync(directory)).toEqual(['fifo']);
});

test('a keyboard is no layer', async (context) => {
  needsProgram(context, 'tmux');
  const terminal = new Terminal('bash --norc', temporaryDirectory());
  terminal.run('overlayer inspect -; echo code=$?');
  await terminal.shows(/^overlayer: Standard input is a terminal: pipe a layer into it\ncode=3$/m);
});
