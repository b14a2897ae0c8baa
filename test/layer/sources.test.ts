import { File } from 'node:buffer';
import { execFile, execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect } from 'vitest';
import type { LayerSource } from '../../src/index.js';
import { cut } from '../helpers/decompress.js';
import { failureOf, test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const noHang = { timeout: 20_000 };

const archive = tar(file('a', 'x'.repeat(3_000_000)), file('b', 'last'));
const layer = gzipSync(archive, { level: 1 });
const expected = {
  digest: `sha256:${sha256(layer)}`,
  diffID: `sha256:${sha256(archive)}`,
  entries: 2,
  size: archive.length,
  compressedSize: layer.length,
};

const work = makeWorkDirectory();
const path = join(work, 'layer');
writeFileSync(path, layer);
afterAll(() => rmSync(work, { recursive: true }));

function* pieces(): Generator<Uint8Array, void, void> {
  yield* cut(layer, 1500);
}

async function* asyncPieces(): AsyncGenerator<Uint8Array, void, void> {
  yield new Uint8Array(0);
  yield* pieces();
}

const sources: Record<string, () => LayerSource> = {
  'a path': () => path,
  'a path through a symlink': () => {
    const link = join(work, 'link');
    rmSync(link, { force: true });
    symlinkSync('layer', link);
    return link;
  },
  'a part of a file': () => {
    const whole = join(work, 'whole');
    writeFileSync(whole, Buffer.concat([Buffer.alloc(100, 'before'), layer, layer]));
    return { path: whole, offset: 100, length: layer.length };
  },
  'a Buffer': () => layer,
  'a Uint8Array': () => Uint8Array.from(layer),
  'a view into a larger memory': () =>
    Buffer.concat([Buffer.alloc(100), layer, Buffer.alloc(100)]).subarray(100, -100),
  'an array of chunks': () => [...pieces()],
  'a generator': pieces,
  'an async generator': asyncPieces,
  'a Readable': () => Readable.from(asyncPieces()),
  'a file stream': () => createReadStream(path),
  'a PassThrough that is being written': () => Readable.from(asyncPieces()).pipe(new PassThrough()),
  'a web ReadableStream': () => ReadableStream.from(asyncPieces()),
  'the URL of a file': () => pathToFileURL(path),
  'an ArrayBuffer': () => Uint8Array.from(layer).buffer,
  'a DataView': () => new DataView(Uint8Array.from(layer).buffer) as unknown as LayerSource,
  'the bytes of another realm': () => runInNewContext('Uint8Array').from(layer),
  'chunks of another realm': () => {
    const { from } = runInNewContext('({ from: (bytes) => Uint8Array.from(bytes) })');
    return [...pieces()].map(from);
  },
  'a Blob': () => new Blob([layer]),
  'a File': () => new File([layer], 'layer.tar.gz'),
  'a Response': () => new Response(layer),
  'a Response of a stream': () => new Response(ReadableStream.from(asyncPieces())),
  'a Request': () => new Request('http://localhost/', { method: 'POST', body: layer }),
  'a request of an HTTP framework, which has a parsed body': () =>
    Object.assign(Readable.from(asyncPieces()), { body: {} }),
};

describe('sources', noHang, () => {
  for (const [what, source] of Object.entries(sources))
    test(what, async ({ box }) => {
      expect(await box.unpack(source())).toMatchObject(expected);
      expect(box.read('b')).toBe('last');
    });

  test('a FIFO, as it is written', async ({ box }) => {
    const fifo = join(work, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const unpacking = box.unpack(fifo);
    // Not execFileSync: it would keep this thread from opening the other end.
    await promisify(execFile)('dd', [`if=${path}`, `of=${fifo}`, 'bs=64k', 'status=none']);
    expect(await unpacking).toMatchObject(expected);
  });

  test('one chunk at a time, memory used again by its owner', async ({ box }) => {
    async function* reused() {
      const memory = Buffer.alloc(1500);
      for (const piece of pieces()) {
        memory.set(piece);
        yield memory.subarray(0, piece.length);
        memory.fill(0xaa);
      }
    }
    expect(await box.unpack(reused())).toMatchObject(expected);
  });
});

test('what has come is unpacked while the rest is long in coming', noHang, async ({ box }) => {
  let unpacked = 0;
  let rise = () => {};
  async function* slow() {
    for (const piece of cut(layer, 2000)) {
      yield piece;
      if (unpacked === archive.length) continue;
      const before = unpacked;
      await new Promise<void>((resolve) => {
        rise = () => unpacked > before && resolve();
      });
    }
  }
  const onProgress = ({ bytes }: { bytes: number }) => {
    unpacked = bytes;
    rise();
  };
  expect(await box.unpack(slow(), { onProgress })).toMatchObject(expected);
});

test('who waits for the rest takes no processor time', noHang, async ({ box }) => {
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let used = Number.POSITIVE_INFINITY;
  async function* slow() {
    yield layer.subarray(0, layer.length / 2);
    await begun;
    const before = process.cpuUsage();
    await setTimeout(500); // so long it is measured
    const { user, system } = process.cpuUsage(before);
    used = user + system;
    yield layer.subarray(layer.length / 2);
  }
  await box.unpack(slow(), { onProgress: ({ bytes }) => bytes > 0 && begin() });
  expect(used / 1000).toBeLessThan(250);
});

describe('an HTTP body as it arrives', noHang, () => {
  /** Sends the layer in two parts; the second one only when the first has been asked for. */
  async function serve<T>(
    use: (url: string) => Promise<T>,
    parts: (layer: Buffer) => readonly (Buffer | 'hang up')[],
  ) {
    const server = createServer((_, response) => {
      response.setHeader('content-length', layer.length);
      for (const part of parts(layer)) {
        if (part === 'hang up') response.socket?.destroySoon();
        else response.write(part);
      }
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test('to its end', async ({ box }) => {
    const result = await serve(
      async (url) => box.unpack((await fetch(url)).body!),
      (bytes) => [...cut(bytes, 5000)].map((piece) => Buffer.from(piece)),
    );
    expect(result).toMatchObject(expected);
  });

  test('a connection that is lost', async ({ box }) => {
    const work = serve(
      async (url) => box.unpack((await fetch(url)).body!),
      (bytes) => [bytes.subarray(0, 3000), 'hang up'],
    );
    await expect(work).rejects.toThrow();
    expect(box.exists()).toBe(false);
  });
});

describe('sources that can not be read', noHang, () => {
  const cases: Record<string, { source: () => LayerSource; code: string }> = {
    'a part that no file has': { source: () => ({ path, offset: -1, length: 10 }), code: 'InvalidArgument' },
    'a part of what is no file': {
      source: () => ({ path: work, offset: 0, length: 10 }),
      code: 'InvalidArgument',
    },
    'a part that is cut off': {
      source: () => ({ path, offset: 0, length: layer.length - 1 }),
      code: 'DataLoss',
    },
    'that do not exist': { source: () => join(work, 'none'), code: 'NotFound' },
    'below a file': { source: () => join(path, 'none'), code: 'NotFound' },
    'a directory': {
      source: () => {
        mkdirSync(join(work, 'directory'), { recursive: true });
        return join(work, 'directory');
      },
      code: 'InvalidArgument',
    },
    'a symlink to itself': {
      source: () => {
        symlinkSync('loop', join(work, 'loop'));
        return join(work, 'loop');
      },
      code: 'InvalidArgument',
    },
    'a name too long': { source: () => join(work, 'x'.repeat(300)), code: 'InvalidArgument' },
    'a name with a NUL': { source: () => join(work, 'a\0b'), code: 'InvalidArgument' },
  };
  for (const [what, { source, code }] of Object.entries(cases))
    test(what, async ({ box }) => {
      expect(await box.failure(source())).toMatchObject({ code });
    });

  test('a stream of text rather than bytes', async ({ box }) => {
    const text = Readable.from(['these', 'are', 'strings']) as unknown as LayerSource;
    expect(await failureOf(box.unpack(text))).toMatchObject({ code: 'InvalidArgument' });
    expect(box.exists()).toBe(false);
  });

  test('a generator that fails: its error as it is', async ({ box }) => {
    const failure = new Error('line is down');
    async function* failing() {
      yield layer.subarray(0, 5000);
      throw failure;
    }
    await expect(box.unpack(failing())).rejects.toBe(failure);
    expect(box.exists()).toBe(false);
  });

  test('a stream that is destroyed', async ({ box }) => {
    const stream = new PassThrough();
    stream.write(layer.subarray(0, 5000));
    const unpacking = box.unpack(stream);
    stream.destroy(new Error('line is down'));
    await expect(unpacking).rejects.toThrow('line is down');
    expect(box.exists()).toBe(false);
  });
});
