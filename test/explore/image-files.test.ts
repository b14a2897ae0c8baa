import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type ExploreOptions, type ImageFile, type ImageSource, openImageFiles } from '../../src/index.js';
import { bodyOf, withImage } from '../helpers/layout-image.js';
import { oldGnuSparse } from '../helpers/sparse-members.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';

/** Each file as `path`, or `path=content`, in the order of the loop. */
async function filesOf(layers: readonly Uint8Array[], options: ExploreOptions = {}): Promise<string[]> {
  const files: string[] = [];
  await withImage(layers, async (source) => {
    for await (const each of openImageFiles(source, options)) {
      const body = each.type === 'file' ? `=${await bodyOf(each)}` : '';
      files.push(`${each.layer} ${each.path}${each.linkPath && ` -> ${each.linkPath}`}${body}`);
    }
  });
  return files;
}

describe('the files of an image', () => {
  test('come from the top layer down, each once', async () => {
    const layers = [
      tar(dir('d'), file('d/a', '1'), file('d/b', '2'), symlink('s', 'd/a')),
      tar(dir('d'), file('d/a', '3'), file('c', '4')),
    ];
    expect(await filesOf(layers)).toEqual(['1 d', '1 d/a=3', '1 c=4', '0 d/b=2', '0 s -> d/a']);
  });

  test('that later layers removed do not come', async () => {
    const layers = [
      tar(dir('d'), file('d/a', '1'), file('e/b', '2'), file('f', '3'), file('g/x/y', '4')),
      tar(whiteout('d'), opaque('e'), file('f/now', 'a directory'), symlink('g', '/d')),
    ];
    expect(await filesOf(layers)).toEqual(['1 f/now=a directory', '1 g -> /d']);
  });

  test('an opaque root ends the reading: lower layers are not opened', async () => {
    await withImage([tar(file('a')), tar(file('b'), opaque(''))], async (source) => {
      const opened: string[] = [];
      const watched = watchOpens(source, opened);
      const files: string[] = [];
      for await (const { path } of openImageFiles(watched)) files.push(path);
      expect({ files, opened: opened.length }).toEqual({ files: ['b'], opened: 3 });
    });
  });

  test('a path that its layer lists twice comes twice', async () => {
    await withImage([tar(file('a', 'old'), file('a', 'new'))], async (source) => {
      const files: unknown[] = [];
      for await (const each of openImageFiles(source)) files.push([each.again, String(await bodyOf(each))]);
      expect(files).toEqual([
        [false, 'old'],
        [true, 'new'],
      ]);
    });
  });

  test('have zeros in place of holes', async () => {
    const size = 300_000;
    const sparse = tar(oldGnuSparse('s', size, [[100_000, 'island']]));
    for await (const each of openImageFiles(sparse)) {
      const expected = Buffer.alloc(size);
      expected.write('island', 100_000);
      expect((await bodyOf(each)).equals(expected)).toBe(true);
    }
  });

  test('of a single layer come as the layer lists them', async () => {
    const files: string[] = [];
    for await (const { path, layer, layerDigest } of openImageFiles(gzipSync(tar(file('x'), dir('y')))))
      files.push(`${path} ${layer} ${layerDigest}`);
    expect(files).toEqual(['x 0 undefined', 'y 0 undefined']);
  });
});

describe('bodies', () => {
  const big = Buffer.alloc(3_000_000, 'b');

  test('that the loop does not want are skipped', async () => {
    const names: string[] = [];
    for await (const each of openImageFiles(tar(file('a', big), file('b', 'small'), file('c', big)))) {
      names.push(each.path);
      if (each.path === 'b') expect(String(await bodyOf(each))).toBe('small');
    }
    expect(names).toEqual(['a', 'b', 'c']);
  });

  test('are copies that stay as they are', async () => {
    const kept: Buffer[] = [];
    for await (const each of openImageFiles(gzipSync(tar(file('a', big), file('b', big)))))
      for await (const chunk of each.body()) kept.push(chunk as Buffer);
    expect(Buffer.concat(kept).equals(Buffer.concat([big, big]))).toBe(true);
  });

  test('may be left in their middle', async () => {
    const names: string[] = [];
    for await (const each of openImageFiles(tar(file('a', big), file('b', 'small')))) {
      for await (const chunk of each.body()) if (chunk.length > 0) break;
      names.push(each.path);
    }
    expect(names).toEqual(['a', 'b']);
  });

  test('are refused when the loop has taken the next file', async () => {
    const files: ImageFile[] = [];
    for await (const each of openImageFiles(tar(file('a\n', '1'), file('b', '2')))) files.push(each);
    await expect(bodyOf(files[0]!)).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: expect.stringMatching(/^[^\n]*: the loop has gone on to the next file$/),
    });
  });

  test('are given once', async () => {
    for await (const each of openImageFiles(tar(file('a', '1')))) {
      await bodyOf(each);
      await expect(bodyOf(each)).rejects.toMatchObject({ code: 'FailedPrecondition' });
    }
  });
});

describe('a loop', () => {
  test('that is left early closes the source', async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        const archive = tar(file('a', '1'), file('b', Buffer.alloc(20_000_000)));
        for (let at = 0; at < archive.length; at += 65536) yield archive.subarray(at, at + 65536);
      } finally {
        isClosed = true;
      }
    }
    for await (const each of openImageFiles(source())) {
      expect(each.path).toBe('a');
      break;
    }
    expect(isClosed).toBe(true);
  });

  test('that is left early opens no lower layer', async () => {
    await withImage([tar(file('a')), tar(file('b'))], async (source) => {
      const opened: string[] = [];
      for await (const each of openImageFiles(watchOpens(source, opened))) {
        expect(each.path).toBe('b');
        break;
      }
      expect(opened.length).toBe(3); // the manifest, the config, the top layer
    });
  });

  test('inside another loop does not wait for it', async () => {
    const layer = () => gzipSync(tar(file('a', Buffer.alloc(9_000_000)), file('b')));
    const nest = async (depth: number): Promise<number> => {
      let found = 0;
      for await (const each of openImageFiles(layer())) {
        if (each.path === 'a' && depth > 0) found += await nest(depth - 1);
        found += 1;
      }
      return found;
    };
    expect(await nest(2)).toBe(6);
  });

  test('ends with the reason of an abort', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const files: string[] = [];
    const loop = async () => {
      for await (const each of openImageFiles(tar(file('a', Buffer.alloc(9_000_000)), file('b')), {
        signal: controller.signal,
      })) {
        files.push(each.path);
        controller.abort(reason);
      }
    };
    await expect(loop()).rejects.toBe(reason);
    expect(files).toEqual(['a']);
  });

  test('keeps to the limits', async () => {
    const layers = [tar(file('a'), file('b'), file('c'))];
    await expect(filesOf(layers, { limits: { maxEntries: 2 } })).rejects.toMatchObject({
      code: 'ResourceExhausted',
    });
    await expect(filesOf(layers, { limits: { maxMemory: 100 } })).rejects.toMatchObject({
      code: 'ResourceExhausted',
      message: expect.stringContaining('maxMemory'),
    });
    await expect(filesOf(layers, { limits: { maxBytes: 2000 } })).rejects.toMatchObject({
      code: 'ResourceExhausted',
    });
  });

  test('fails at the end of a layer with another digest', async () => {
    const layers = [gzipSync(tar(file('a', 'good')))];
    await withImage(layers, async (source, layout) => {
      const digest = sha256(layers[0]!);
      writeFileSync(`${layout}/blobs/sha256/${digest}`, gzipSync(tar(file('a', 'evil'))));
      const files: string[] = [];
      const loop = async () => {
        for await (const each of openImageFiles(source)) files.push(each.path);
      };
      await expect(loop()).rejects.toMatchObject({ code: 'DataLoss', expected: `sha256:${digest}` });
      expect(files).toEqual(['a']);
    });
  });
});

describe('hard links', () => {
  test('are names of a file that came', async () => {
    const layers = [tar(file('a', '1'), hardlink('b', 'a')), tar(hardlink('c', 'b'))];
    expect(await filesOf(layers)).toEqual(['0 a=1', '0 b -> a', '1 c -> a']);
  });

  test('bring the file whose own path is hidden', async () => {
    const layers = [
      tar(file('a', 'secret'), hardlink('b', 'a'), hardlink('c', 'a'), file('z', 'z')),
      tar(whiteout('a')),
    ];
    expect(await filesOf(layers)).toEqual(['0 b=secret', '0 z=z', '0 c -> b']);
  });

  test('bring it through hidden links, and from a lower layer', async () => {
    const layers = [
      tar(file('a', 'secret'), hardlink('b', 'a'), file('k', 'k')),
      tar(hardlink('c', 'b')),
      tar(file('a', 'other'), whiteout('b')),
    ];
    expect(await filesOf(layers)).toEqual(['2 a=other', '0 c=secret', '0 k=k']);
  });

  test('to no file are refused, as by unpack', async () => {
    await expect(filesOf([tar(file('a')), tar(hardlink('b', 'none'))])).rejects.toMatchObject({
      code: 'NotFound',
      message: expect.stringContaining('none'),
    });
  });
});

describe('symlinks that lead to files', () => {
  const USR = tar(dir('usr'), dir('usr/lib'), file('usr/lib/x', 'old'), symlink('lib', 'usr/lib'));

  test('give them their real path, also where a later layer removes the link', async () => {
    const layers = [USR, tar(file('lib/evil', 'secret'), file('top', 't'))];
    expect(await filesOf(layers)).toEqual([
      '1 usr/lib/evil=secret',
      '1 top=t',
      ...['0 usr', '0 usr/lib', '0 usr/lib/x=old', '0 lib -> usr/lib'],
    ]);
    const removed = [...layers, tar(whiteout('lib'))];
    expect(await filesOf(removed)).toContain('1 usr/lib/evil=secret');
    const replaced = [...layers, tar(dir('lib'), file('lib/y', 'y'))];
    expect(await filesOf(replaced)).toContain('1 usr/lib/evil=secret');
  });

  test('hide what they lead to', async () => {
    const changed = await filesOf([USR, tar(file('lib/x', 'new'))]);
    expect(changed).toEqual(['1 usr/lib/x=new', '0 usr', '0 usr/lib', '0 lib -> usr/lib']);
    const removed = await filesOf([USR, tar(whiteout('lib/x'))]);
    expect(removed).toEqual(['0 usr', '0 usr/lib', '0 lib -> usr/lib']);
  });

  test('that a layer of directories lists cost no second pass', async () => {
    const layers = [USR, tar(dir('usr'), dir('usr/lib'), whiteout('usr/lib/x'), file('usr/lib/y', 'y'))];
    await withImage(layers, async (source) => {
      const opened: string[] = [];
      for await (const each of openImageFiles(watchOpens(source, opened))) await bodyOf(each);
      expect(opened.length).toBe(4); // the manifest, the config, two layers
    });
  });

  test('in the stream of a layer are refused, and give files before', async () => {
    const files: string[] = [];
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield tar(file('a', '1'), symlink('l', 'd'), file('l/x', '2'));
    }
    const loop = async () => {
      for await (const { path } of openImageFiles(stream())) files.push(path);
    };
    await expect(loop()).rejects.toMatchObject({ code: 'FailedPrecondition' });
    expect(files).toEqual(['a', 'l']);
  });
});

/** Notes the digests that are opened. */
function watchOpens(source: ImageSource, opened: string[]): ImageSource {
  return new Proxy(source, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]) => {
        if (name === 'open') opened.push((args[0] as { digest: string }).digest);
        return value.apply(target, args);
      };
    },
  });
}
