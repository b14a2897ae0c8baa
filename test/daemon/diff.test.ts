import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { decompress } from 'zstd-napi';
import type {
  InfoResponse,
  ListStatusesResponse,
  ReadResponse,
} from '../../src/daemon/content/content-messages.js';
import type { DiffRequest, DiffResponse } from '../../src/daemon/layers/diff-messages.js';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { failureOf } from '../helpers/sandbox.js';
import { digestOf } from './content-writer.js';
import { type Client, connect } from './grpc-client.js';
import { type UsedDaemon, useDaemon } from './use-daemon.js';

const OCI = 'application/vnd.oci.image.layer.v1.tar';

/** Has the content store that the differ's caller has. */
let theirs: UsedDaemon;
let used: UsedDaemon;
let right: DiffRequest['right'];

beforeEach(async () => {
  theirs = await useDaemon();
  used = await useDaemon({ containerd: theirs.daemon.address });
  const prepare = { snapshotter: 'overlayer', key: 'default/1/web' };
  ({ mounts: right } = await used.connect('snapshots').ask<MountsResponse>('prepare', prepare));
  mkdirSync(join(right[0]!.source, 'etc'));
  writeFileSync(join(right[0]!.source, 'etc/name'), 'value');
});

const makeDiff = async (request: Partial<DiffRequest>, client: Client = used.connect('diff')) =>
  (await client.ask<DiffResponse>('diff', { right, ...request })).diff;

async function read(digest: string): Promise<Buffer> {
  const answers = await theirs.connect('content').list<ReadResponse>('read', { digest });
  return Buffer.concat(answers.map(({ data }) => data));
}

test.each([
  ['', `${OCI}+gzip`, gunzipSync],
  [OCI, OCI, (bytes: Buffer) => bytes],
  [`${OCI}+zstd`, `${OCI}+zstd`, decompress],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', undefined, gunzipSync],
] as const)('a layer of media type "%s"', async (mediaType, made, inflate) => {
  const labels = { 'of.whom': 'mine' };
  const diff = await makeDiff({ mediaType, labels });
  const bytes = await read(diff.digest);
  expect(diff).toMatchObject({ mediaType: made ?? mediaType, size: bytes.length });
  const tar = inflate(bytes);
  expect(tar.toString('latin1')).toContain('etc/name\0');
  const { info } = await theirs.connect('content').ask<InfoResponse>('info', { digest: diff.digest });
  expect(info.labels).toEqual({ ...labels, 'containerd.io/uncompressed': digestOf(tar) });
});

test('the same again is the same blob; times are bounded', async () => {
  const request = { ref: 'mine', sourceDateEpoch: { seconds: 1_000_000_000, nanos: 0 } };
  const first = await makeDiff(request);
  writeFileSync(join(right[0]!.source, 'etc/name'), 'value');
  expect(await makeDiff(request)).toEqual(first);
});

test('who tells no namespace gets the layer in that of the snapshot, if it is one of ours', async () => {
  const client = connect('diff', used.daemon.address, '');
  expect((await makeDiff({}, client)).size).toBeGreaterThan(0);
  const foreign = join(used.directory, 'foreign');
  mkdirSync(foreign);
  const mounts = [{ type: 'bind', source: foreign, target: '', options: ['rbind'] }];
  expect((await failureOf(makeDiff({ right: mounts }, client))).code).toBe('Unimplemented');
  client.close();
});

test('a layer that can not be made leaves no ingest, unless the ref is of the caller', async () => {
  writeFileSync(join(right[0]!.source, 'large'), randomBytes(8 << 20));
  mkdirSync(join(right[0]!.source, 'zone'));
  writeFileSync(join(right[0]!.source, 'zone/.wh.name'), '');
  const refs = async () => {
    const { statuses } = await theirs.connect('content').ask<ListStatusesResponse>('listStatuses', {});
    return statuses.map(({ ref }) => ref);
  };
  await failureOf(makeDiff({ mediaType: OCI }));
  expect(await refs()).toEqual([]);
  await failureOf(makeDiff({ mediaType: OCI, ref: 'mine' }));
  expect(await refs()).toEqual(['mine']);
});

test.each([
  ['no mounts', { right: [] }, 'InvalidArgument'],
  ['another media type', { mediaType: 'text/plain' }, 'Unimplemented'],
] as const)('%s are refused', async (_, request, code) => {
  expect((await failureOf(makeDiff(request))).code).toBe(code);
});
