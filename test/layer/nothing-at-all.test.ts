import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished } from 'vitest';
import { compress } from 'zstd-napi';
import { test } from '../helpers/sandbox.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** Of a writer that has failed (`curl -f … |`), compressed or not. */
const NOTHING: Readonly<Record<string, Buffer>> = {
  'no bytes': Buffer.alloc(0),
  'gzip of no bytes': gzipSync(''),
  'zstd of no bytes': compress(Buffer.alloc(0)),
};

describe.each(Object.entries(NOTHING))('%s', (_, bytes) => {
  test('from a pipe or a file are no layer', async ({ box }) => {
    const work = makeWorkDirectory();
    onTestFinished(() => rmSync(work, { recursive: true }));
    writeFileSync(join(work, 'file'), bytes);
    const sources = [
      (async function* () {
        yield bytes;
      })(),
      join(work, 'file'),
    ];
    for (const source of sources) {
      const error = await box.failure(source);
      expect(error).toMatchObject({ code: 'DataLoss', message: expect.stringContaining('empty') });
      expect(error.hint).toContain('allowEmpty');
      expect(box.exists()).toBe(false);
    }
  });

  for (const [why, options] of [
    ['its digest says so', { digest: `sha256:${sha256(bytes)}` }],
    ['its diffID says so', { diffID: `sha256:${sha256(Buffer.alloc(0))}` }],
    ['the caller allows it', { allowEmpty: true }],
  ] as const)
    test(`are an empty layer where ${why}`, async ({ box }) => {
      expect(await box.unpack(bytes, options)).toMatchObject({ entries: 0, size: 0 });
    });
});

test('an archive without entries is a layer: it has its end marker', async ({ box }) => {
  expect(await box.unpack(tar())).toMatchObject({ entries: 0, size: 1024 });
});

describe('an archive of images is no layer', () => {
  const docker = JSON.stringify([{ Config: 'c.json', RepoTags: null, Layers: ['l.tar'] }]);
  const refused = async (
    box: { failure: (archive: Buffer) => Promise<unknown>; exists(): boolean },
    archive: Buffer,
  ) => {
    for (const bytes of [archive, gzipSync(archive)]) {
      expect(await box.failure(bytes)).toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('images'),
      });
      expect(box.exists()).toBe(false);
    }
  };

  test('with an OCI layout among other files', async ({ box }) => {
    const members = [
      file('README', 'x'),
      dir('blobs/'),
      file('./index.json', '{}'),
      file('./oci-layout', '{}'),
    ];
    await refused(box, tar(...members));
  });

  test('packed with the directory that it is in', async ({ box }) => {
    await refused(
      box,
      tar(dir('./'), dir('./img/'), file('./img/l.tar', ''), file('./img/manifest.json', docker)),
    );
    await refused(box, tar(file('img/oci-layout', '{}'), file('img/index.json', '{}')));
  });

  test('with the manifest.json of docker among other files', async ({ box }) => {
    await refused(box, tar(file('.DS_Store', 'x'), file('l.tar', ''), file('manifest.json', docker)));
  });

  for (const [what, archive] of [
    ["a web application's manifest.json", tar(file('manifest.json', '{"name":"app","layers":[]}'))],
    ['a list in manifest.json', tar(file('manifest.json', '["a"]'))],
    ['an index.json', tar(file('index.json', '{}'), dir('oci-layout/'))],
    [
      'a layout further below',
      tar(file('etc/x', ''), file('srv/oci-layout', '{}'), file('srv/index.json', '{}')),
    ],
    ['a layout far below', tar(file('srv/a/oci-layout', '{}'), file('srv/a/index.json', '{}'))],
  ] as const)
    test(`but one with ${what} is`, async ({ box }) => {
      expect((await box.unpack(archive)).entries).toBeGreaterThan(0);
    });

  test('unless its digest or diffID says that it is to be unpacked', async ({ box }) => {
    const archive = tar(file('index.json', '{}'), file('oci-layout', '{}'));
    await box.unpack(archive, { diffID: `sha256:${sha256(archive)}` });
    expect(box.read('oci-layout')).toBe('{}');
  });
});
