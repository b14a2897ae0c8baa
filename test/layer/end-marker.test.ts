import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished } from 'vitest';
import { compress } from 'zstd-napi';
import { test } from '../helpers/sandbox.js';
import { file } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** What POSIX wants behind it is missing. */
const padded = Buffer.concat([file('a', 'first'), file('b', 'last')]);
const unpadded = padded.subarray(0, padded.length - 512 + 'last'.length);

describe.each([
  ['end marker', padded],
  ['end marker and padding', unpadded],
])('an archive without %s', (_, archive) => {
  test('is whole when its compressed stream is', async ({ box }) => {
    const result = await box.unpack(gzipSync(archive));
    expect(result.anomalies.map(({ kind }) => kind)).toEqual(['no-end-marker']);
    expect(result).toMatchObject({ diffID: `sha256:${sha256(archive)}`, entries: 2 });
    expect(box.read('b')).toBe('last');
  });

  test('is whole when it has the diffID that was asked for', async ({ box }) => {
    await box.unpack(archive, { diffID: `sha256:${sha256(archive)}` });
    expect(box.read('b')).toBe('last');
  });

  test('may be cut off when its compressed stream may be', async ({ box }) => {
    const halves = [archive.subarray(0, 512), archive.subarray(512)];
    const streams = [
      Buffer.concat(halves.map((half) => gzipSync(half))),
      Buffer.concat(halves.map((half) => compress(half))),
      Buffer.concat([gzipSync(archive), Buffer.alloc(512)]),
    ];
    for (const stream of streams) {
      expect(await box.failure(stream)).toMatchObject({ code: 'DataLoss', offset: archive.length });
      await box.unpack(stream, { digest: `sha256:${sha256(stream)}` });
      box.empty();
    }
  });

  test('may be cut off when nothing speaks for it', async ({ box }) => {
    expect(await box.failure(archive)).toMatchObject({ code: 'DataLoss', offset: archive.length });
    expect(box.exists()).toBe(false);
  });
});

test('a layer that umoci insert made', async ({ box }) => {
  const work = makeWorkDirectory();
  onTestFinished(() => rmSync(work, { recursive: true }));
  const layout = join(work, 'layout');
  const source = join(work, 'inserted');
  writeFileSync(source, 'content');
  const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: 'pipe' });
  umoci('init', '--layout', layout);
  umoci('new', '--image', `${layout}:image`);
  umoci('insert', '--image', `${layout}:image`, source, '/inserted');
  const blobs = join(layout, 'blobs/sha256');
  const layer = readdirSync(blobs).find((name) => isGzip(join(blobs, name)));
  await box.unpack(join(blobs, layer!));
  expect(box.read('inserted')).toBe('content');
});

function isGzip(path: string): boolean {
  return statSync(path).size > 2 && execFileSync('head', ['-c', '2', path]).equals(Buffer.from([0x1f, 0x8b]));
}
