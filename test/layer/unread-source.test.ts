import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeAll, describe, expect } from 'vitest';
import { type LayerSource, OverlayerError, planLayer } from '../../src/index.js';
import { failureOf, type Sandbox, test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { within } from '../helpers/within.js';

const SOON = 10_000;
const noHang = { timeout: 20_000 };
/** Fails before it is read to its end. */
const limits = { maxBytes: 1_000_000 };
const chunk = file('f', Buffer.alloc(500_000));

describe('a source that is not read to its end', noHang, () => {
  /** Gives chunks as long as they are asked for. */
  function endless() {
    const state = { isEnded: false };
    async function* chunks() {
      try {
        for (;;) {
          yield chunk;
          await new Promise(setImmediate);
        }
      } finally {
        state.isEnded = true;
      }
    }
    return { state, chunks };
  }

  test('destroy: a generator is ended, a stream is destroyed, a web stream is cancelled', async ({ box }) => {
    const { state, chunks } = endless();
    expect(await box.failure(chunks(), { limits })).toMatchObject({ code: 'ResourceExhausted' });
    expect(state.isEnded).toBe(true);
    const stream = new PassThrough();
    stream.end(tar(...Array<Buffer>(10).fill(chunk)));
    await box.failure(stream, { limits });
    expect(stream.destroyed).toBe(true);
    const other = endless();
    await box.failure(ReadableStream.from(other.chunks()), { limits });
    expect(other.state.isEnded).toBe(true);
  });

  test('leave: a generator goes on', async ({ box }) => {
    const { state, chunks } = endless();
    const generator = chunks();
    await box.failure(generator, { limits, unreadSource: 'leave' });
    expect(state.isEnded).toBe(false);
    expect((await generator.next()).value).toBe(chunk);
  });

  test('leave: a web stream can be read on', async ({ box }) => {
    const { chunks } = endless();
    const stream = ReadableStream.from(chunks());
    await box.failure(stream, { limits, unreadSource: 'leave' });
    expect(stream.locked).toBe(false);
    const reader = stream.getReader();
    expect((await reader.read()).value).toBe(chunk);
    await reader.cancel();
  });

  test('leave: a stream that waits for bytes loses none of those that come', async ({ box }) => {
    const stream = new PassThrough();
    const controller = new AbortController();
    stream.write(chunk);
    const unpacking = box.unpack(stream, {
      signal: controller.signal,
      unreadSource: 'leave',
      onProgress: ({ entries }) => entries > 0 && controller.abort(),
    });
    await expect(within(SOON, 'abort', unpacking)).rejects.toMatchObject({ name: 'AbortError' });
    expect(stream.destroyed).toBe(false);
    stream.end('the rest');
    expect((await buffer(stream)).toString()).toBe('the rest');
  });

  test.each(['destroy', 'leave'] as const)('%s: also before the work has begun', async (unreadSource) => {
    const stream = new PassThrough();
    const failing = planLayer(stream, { signal: AbortSignal.abort(), unreadSource });
    await expect(failing).rejects.toMatchObject({ name: 'AbortError' });
    expect(stream.destroyed).toBe(unreadSource === 'destroy');
  });

  test('an unknown choice is refused', async ({ box }) => {
    const options = { unreadSource: 'close' as 'leave' };
    expect(await box.failure(tar(chunk), options)).toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('a layer that is uploaded to an HTTP server', noHang, () => {
  /** Answers by how it went, and lets the rest of the request flow. */
  async function receive(box: Sandbox, from: IncomingMessage, to: ServerResponse): Promise<void> {
    try {
      await box.unpack(from, { limits, unreadSource: 'leave' });
      to.writeHead(201).end();
    } catch (error) {
      const isTooLarge = OverlayerError.is(error) && error.code === 'ResourceExhausted';
      to.writeHead(isTooLarge ? 413 : 500).end(String(error));
      from.resume();
    }
  }

  async function upload(
    box: Sandbox,
    layer: Uint8Array,
  ): Promise<{ status: number | undefined; text: string }> {
    const server = createServer((from, to) => void receive(box, from, to)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const sent = request({ port, host: '127.0.0.1', method: 'POST' });
      const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
      sent.end(layer);
      const [response] = await within(SOON, 'response', answered);
      if (!sent.writableFinished) await within(SOON, 'the rest of the request', once(sent, 'finish'));
      return { status: response.statusCode, text: (await buffer(response)).toString() };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test('one that passes a limit is answered with 413, though the client is still sending', async ({
    box,
  }) => {
    const { status, text } = await upload(box, tar(...Array<Buffer>(60).fill(chunk)));
    expect(status).toBe(413);
    expect(text).toContain('maxBytes');
    expect(box.exists()).toBe(false);
  });

  test('one that is whole is answered with 201', async ({ box }) => {
    expect(await upload(box, tar(file('f', 'x')))).toEqual({ status: 201, text: '' });
    expect(box.read('f')).toBe('x');
  });
});

describe('what is no source', noHang, () => {
  const closed = () => {
    const stream = ReadableStream.from([chunk]);
    stream.getReader();
    return stream;
  };
  const read = () => {
    const response = new Response(chunk);
    void response.arrayBuffer();
    return response;
  };
  const ended = Readable.from([chunk]);
  beforeAll(() => buffer(ended));
  const cases: Record<string, [source: () => unknown, code: string, text: RegExp]> = {
    undefined: [() => undefined, 'InvalidArgument', /"source" is undefined/],
    null: [() => null, 'InvalidArgument', /"source" is null/],
    'a number': [() => 5, 'InvalidArgument', /"source" is a number/],
    'a function': [() => () => {}, 'InvalidArgument', /"source" is a function/],
    'a plain object': [() => ({ file: 'layer.tar' }), 'InvalidArgument', /"source" is a plain object/],
    'a Map, whose elements are no bytes': [() => new Map([[1, 2]]), 'InvalidArgument', /not bytes/],
    'a Date': [() => new Date(), 'InvalidArgument', /"source" is an instance of Date/],
    'an empty string': [() => '', 'InvalidArgument', /source is ""/],
    'an http URL': [() => new URL('https://example.com/layer.tar'), 'InvalidArgument', /"https:/],
    'an http URL as a string': [() => 'https://example.com/layer.tar', 'NotFound', /"https:/],
    'a stream with a reader': [closed, 'InvalidArgument', /locked/],
    'a stream that was read': [() => ended, 'InvalidArgument', /read already/],
    'a stream that was destroyed': [() => new PassThrough().destroy(), 'InvalidArgument', /destroyed/],
    'a hole between chunks': [() => [undefined, new Uint8Array(512)], 'InvalidArgument', /gives undefined/],
    'a response whose body was read': [read, 'InvalidArgument', /read already/],
    'a response without a body': [() => new Response(null), 'InvalidArgument', /no body/],
    'a response that found nothing': [
      () => new Response('no', { status: 404, statusText: 'Not Found' }),
      'NotFound',
      /404 Not Found/,
    ],
    'a response of a broken server': [() => new Response('no', { status: 502 }), 'Unavailable', /502/],
  };
  for (const [what, [source, code, text]] of Object.entries(cases))
    test(what, async ({ box }) => {
      const given = source() as LayerSource;
      const error = await within(SOON, 'unpack', box.failure(given));
      expect({ code: error.code, message: error.message }).toEqual({
        code,
        message: expect.stringMatching(text),
      });
      if (what.includes('http URL')) expect(error.hint).toContain('await fetch(url)');
      expect(await within(SOON, 'plan', failureOf(planLayer(source() as LayerSource)))).toMatchObject({
        code,
      });
    });
});
