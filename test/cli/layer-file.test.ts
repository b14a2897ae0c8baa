import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ErofsTree, TAR_OFFSET } from '../../src/erofs/index.js';
import { layerFileOf } from '../helpers/layer-file.js';
import { needsProgram, overlayer, sha256, tarOf, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

async function makeLayerFile(): Promise<{ directory: string; path: string; archive: Buffer; file: Buffer }> {
  const directory = temporaryDirectory();
  const path = join(directory, 'layer.erofs');
  const archive = await tarOf({ name: 'a', content: 'one' });
  const file = layerFileOf(archive, new ErofsTree());
  writeFileSync(path, file);
  return { directory, path, archive, file };
}

test('layer tar writes the tar to a file or a pipe, byte for byte', async () => {
  const { directory, path, archive } = await makeLayerFile();
  const diffID = sha256(archive);
  const output = join(directory, 'layer.tar');
  const toFile = await overlayer(['layer', 'tar', path, '-o', output, '--json']);
  expect(toFile).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(toFile.stdout)).toEqual({ output, diffID, size: archive.length });
  expect(readFileSync(output)).toEqual(archive);
  const toPipe = await overlayer(['layer', 'tar', path]);
  expect(toPipe).toMatchObject({ code: 0, stderr: '' });
  expect(sha256(Buffer.from(toPipe.stdout))).toBe(diffID);
});

test('layer tar writes nothing to a terminal', async (context) => {
  needsProgram(context, 'tmux');
  const { directory } = await makeLayerFile();
  const terminal = new Terminal('bash --norc', directory);
  terminal.run('overlayer layer tar layer.erofs; echo code=$?');
  await terminal.shows(/^overlayer: Standard output is a terminal: name a file: -o FILE\ncode=3$/m);
});

test('layer tar leaves no file of a damaged layer', async () => {
  const { directory, path, file } = await makeLayerFile();
  file[TAR_OFFSET + 512]! ^= 1;
  writeFileSync(path, file);
  const output = join(directory, 'layer.tar');
  const { code, stderr } = await overlayer(['layer', 'tar', path, '-o', output]);
  expect(code).toBe(15);
  expect(stderr).toContain('its tar has another diffID than its head says');
  expect(existsSync(output)).toBe(false);
});

test('layer verify prints the head of a whole file', async () => {
  const { path, archive, file } = await makeLayerFile();
  const text = await overlayer(['layer', 'verify', path]);
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toContain(`${path} is whole\n  diffID     ${sha256(archive)}\n`);
  const json = await overlayer(['layer', 'verify', path, '--json']);
  expect(JSON.parse(json.stdout)).toEqual({
    ...{ file: path, diffID: sha256(archive), size: file.length, entries: 0, whiteouts: 0, inodes: 1 },
    ...{ dependsOnLowers: false, tar: { offset: TAR_OFFSET, length: archive.length } },
  });
});

test('layer verify names the damaged part', async () => {
  const { path, file, archive } = await makeLayerFile();
  file[file.length - 1]! ^= 1;
  writeFileSync(path, file);
  const { code, stdout, stderr } = await overlayer(['layer', 'verify', path, '--json']);
  expect({ code, stdout }).toEqual({ code: 15, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({
    ...{ type: 'error', code: 'DataLoss', offset: TAR_OFFSET + archive.length },
    message: `Layer file "${path}" is damaged: its files and directories do not have the checksum of its head`,
  });
});

test('other commands take a layer file as a layer', async () => {
  const { path, archive } = await makeLayerFile();
  const { code, stdout } = await overlayer(['inspect', path, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout).result).toMatchObject({ diffID: sha256(archive), entries: 1 });
});
