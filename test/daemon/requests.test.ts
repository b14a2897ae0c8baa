import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ListSnapshotsResponse, MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { serve } from '../../src/index.js';
import { failureOf } from '../helpers/sandbox.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { useDaemon } from './use-daemon.js';

const snapshotter = 'overlayer';
const DIFF = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  digest: `sha256:${'0'.repeat(64)}`,
  size: 10,
};

describe('refused with a status', () => {
  test.each([
    ['snapshots', 'stat', { snapshotter, key: 'none' }, 'NotFound'],
    ['snapshots', 'mounts', { snapshotter, key: 'none' }, 'NotFound'],
    ['snapshots', 'usage', { snapshotter, key: 'none' }, 'NotFound'],
    ['snapshots', 'remove', { snapshotter, key: 'none' }, 'NotFound'],
    ['snapshots', 'commit', { snapshotter, key: 'none', name: 'name' }, 'NotFound'],
    ['snapshots', 'prepare', { snapshotter, key: 'key', parent: 'none' }, 'NotFound'],
    ['snapshots', 'prepare', { snapshotter, key: '' }, 'InvalidArgument'],
    ['snapshots', 'prepare', { snapshotter: 'overlayfs', key: 'key' }, 'InvalidArgument'],
    ['snapshots', 'cleanup', {}, 'InvalidArgument'],
    ['snapshots', 'update', { snapshotter }, 'InvalidArgument'],
    ['diff', 'apply', {}, 'InvalidArgument'],
    ['diff', 'apply', { diff: DIFF }, 'InvalidArgument'],
    ['diff', 'apply', { diff: { ...DIFF, mediaType: 'text/plain' } }, 'Unimplemented'],
    ['diff', 'apply', { diff: { ...DIFF, mediaType: `${DIFF.mediaType}+gzip+encrypted` } }, 'Unimplemented'],
    ['content', 'info', { digest: DIFF.digest }, 'NotFound'],
    ['content', 'info', { digest: 'none' }, 'InvalidArgument'],
    ['content', 'delete', { digest: DIFF.digest }, 'NotFound'],
    ['content', 'status', { ref: 'none' }, 'NotFound'],
    ['content', 'abort', { ref: 'none' }, 'NotFound'],
  ] as const)('%s.%s %j: %s', async (service, method, request, code) => {
    const { connect } = await useDaemon();
    expect((await failureOf(connect(service).ask(method, request))).code).toBe(code);
  });

  test('of a layer when containerd is not there', async () => {
    const { connect } = await useDaemon();
    const { mounts } = await connect('snapshots').ask<MountsResponse>('prepare', { snapshotter, key: 'key' });
    const failure = await failureOf(connect('diff').ask('apply', { diff: DIFF, mounts }));
    expect(failure.code).toBe('Unavailable');
    expect(failure.message).toContain('Cannot ask containerd');
  });

  test('messages that are too large; the connection goes on', async () => {
    const { connect } = await useDaemon();
    const client = connect('snapshots');
    const large = { snapshotter, key: 'k'.repeat(17 << 20) };
    expect((await failureOf(client.ask('stat', large))).code).toBe('ResourceExhausted');
    const long = { snapshotter, key: 'k'.repeat(1 << 20) };
    for (const method of ['stat', 'prepare', 'remove', 'mounts'])
      expect((await failureOf(client.ask(method, long))).code).toMatch(/NotFound|InvalidArgument/);
    expect((await failureOf(client.ask('stat', { snapshotter, key: 'none' }))).code).toBe('NotFound');
  });

  test('messages that are none', async () => {
    const { daemon } = await useDaemon();
    const session = connectHttp2('http://localhost', {
      createConnection: () => connectSocket(daemon.address),
    });
    const statusOf = async (path: string, body: Uint8Array) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
      });
      stream.resume();
      stream.end(body);
      const [headers] = await once(stream, 'response');
      if (headers['grpc-status'] !== undefined) return headers['grpc-status'];
      const [trailers] = await once(stream, 'trailers');
      return trailers['grpc-status'];
    };
    const garbage = Buffer.from([0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    expect(await statusOf('/containerd.services.snapshots.v1.Snapshots/Stat', garbage)).toBe('13');
    expect(await statusOf('/containerd.services.snapshots.v1.Snapshots/None', garbage)).toBe('12');
    session.close();
  });
});

describe('the socket', () => {
  test('is for its owner alone, and goes with the daemon', async () => {
    const { daemon, directory } = await useDaemon();
    expect(statSync(daemon.address).mode & 0o777).toBe(0o600);
    await daemon.close();
    await daemon.close();
    expect(readdirSync(directory)).toEqual(['root']);
  });

  test('is refused while another has it', async () => {
    const { daemon, directory } = await useDaemon();
    const second = serve({ root: join(directory, 'other'), address: daemon.address });
    expect((await failureOf(second)).code).toBe('Unavailable');
    // By whatever name.
    symlinkSync(daemon.address, join(directory, 'link'));
    const third = serve({ root: join(directory, 'other'), address: join(directory, 'link') });
    expect((await failureOf(third)).code).toBe('Unavailable');
  });
});

describe('an address that can be none is refused, and nothing is made there', () => {
  test.each([
    ['in a directory that is not there', 'none/s', 'NotFound', 'there is no directory'],
    ['where a file is', 'file', 'AlreadyExists', 'not a socket'],
    ['where a directory is', 'directory', 'AlreadyExists', 'not a socket'],
    ['with a path that is too long', 'x'.repeat(107), 'InvalidArgument', '107 bytes'],
  ])('%s', async (_, name, code, words) => {
    const directory = makeWorkDirectory();
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'file'), 'kept');
    mkdirSync(join(directory, 'directory'));
    const failure = await failureOf(serve({ root: join(directory, 'root'), address: join(directory, name) }));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(words);
    expect(readdirSync(directory)).toEqual(['directory', 'file']);
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('kept');
  });

  test('for metrics, of another machine', async () => {
    const directory = makeWorkDirectory();
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const options = { root: join(directory, 'root'), address: join(directory, 's') };
    const failure = await failureOf(serve({ ...options, metrics: '192.0.2.1:9273' }));
    expect(failure).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining('192.0.2.1') });
    expect(readdirSync(directory)).toEqual([]);
  });
});

test('lists are sent in parts, to whoever reads them however slowly', async () => {
  const { connect } = await useDaemon();
  const client = connect('snapshots');
  const keys = Array.from({ length: 250 }, (_, number) => `key ${1000 + number}`);
  await Promise.all(keys.map((key) => client.ask('prepare', { snapshotter, key })));
  const answers = await client.list<ListSnapshotsResponse>('list', { snapshotter });
  expect(answers.map(({ info }) => info.length)).toEqual([100, 100, 50]);
  expect(answers.flatMap(({ info }) => info.map(({ name }) => name))).toEqual(keys);
  const filters = ['name=="key 1001"'];
  const [filtered] = await client.list<ListSnapshotsResponse>('list', { snapshotter, filters });
  expect(filtered!.info).toMatchObject([{ name: 'key 1001', kind: 'ACTIVE' }]);
});

test('100 snapshots at once, and callers that go away', async () => {
  const { connect } = await useDaemon();
  const client = connect('snapshots');
  const made = await Promise.all(
    Array.from({ length: 100 }, (_, number) =>
      client.ask<MountsResponse>('prepare', { snapshotter, key: `key ${number}` }),
    ),
  );
  expect(new Set(made.map(({ mounts }) => mounts[0]!.source)).size).toBe(100);
  const gone = connect('snapshots');
  const lists = Array.from({ length: 20 }, () => gone.stream('list', { snapshotter }));
  for (const list of lists) {
    list.on('error', () => {});
    list.cancel();
  }
  gone.close();
  expect((await client.list<ListSnapshotsResponse>('list', { snapshotter }))[0]!.info).toHaveLength(100);
});
