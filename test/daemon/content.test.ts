import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type {
  InfoResponse,
  ListContentResponse,
  ListStatusesResponse,
  ReadResponse,
  StatusResponse,
  WriteResponse,
} from '../../src/daemon/content/content-messages.js';
import { failureOf } from '../helpers/sandbox.js';
import { digestOf, openWriter, writeBlob } from './content-writer.js';
import { useDaemon } from './use-daemon.js';

const BYTES = randomBytes(3_000_000);
const DIGEST = digestOf(BYTES);

test('a blob is written, read, labelled and deleted', async () => {
  const client = (await useDaemon()).connect('content');
  expect(await writeBlob(client, 'layer', BYTES)).toMatchObject({ digest: DIGEST, offset: BYTES.length });
  const { info } = await client.ask<InfoResponse>('info', { digest: DIGEST });
  expect(info).toMatchObject({ size: BYTES.length, labels: { from: 'here' } });
  const read = async (request: object) => {
    const answers = await client.list<ReadResponse>('read', { digest: DIGEST, ...request });
    return Buffer.concat(answers.map(({ data }) => data));
  };
  expect(BYTES.equals(await read({}))).toBe(true);
  expect(await read({ offset: 1_000_000, size: 10 })).toEqual(BYTES.subarray(1_000_000, 1_000_010));
  await client.ask('update', {
    info: { digest: DIGEST, labels: { more: 'yes' } },
    updateMask: { paths: ['labels.more'] },
  });
  const [listed] = await client.list<ListContentResponse>('list', { filters: ['labels.more==yes'] });
  expect(listed!.info.map(({ labels }) => labels)).toEqual([{ from: 'here', more: 'yes' }]);
  await client.ask('delete', { digest: DIGEST });
  expect((await failureOf(client.ask('info', { digest: DIGEST }))).code).toBe('NotFound');
});

test('an ingest outlives its writer, and goes on where it ended', async () => {
  const client = (await useDaemon()).connect('content');
  const first = openWriter(client);
  await first.send({ action: 'WRITE', ref: 'part', total: BYTES.length, data: BYTES.subarray(0, 1000) });
  const { status } = await client.ask<StatusResponse>('status', { ref: 'part' });
  expect(status).toMatchObject({ ref: 'part', offset: 1000, total: BYTES.length });
  const busy = openWriter(client).send({ action: 'STAT', ref: 'part' });
  expect((await failureOf(busy)).code).toBe('Unavailable');
  first.end();
  let found: WriteResponse | undefined;
  let second = openWriter(client);
  // The first writer ends in its own time.
  while (found === undefined) {
    found = await second.send({ action: 'STAT', ref: 'part' }).catch(() => undefined);
    if (found === undefined) second = openWriter(client);
  }
  expect(found).toMatchObject({ offset: 1000, digest: digestOf(BYTES.subarray(0, 1000)) });
  await second.send({ action: 'WRITE', offset: 1000, data: BYTES.subarray(1000) });
  expect(await second.send({ action: 'COMMIT', offset: BYTES.length })).toMatchObject({ digest: DIGEST });
});

test('offset 0 begins anew; any other than the end is refused', async () => {
  const client = (await useDaemon()).connect('content');
  const writer = openWriter(client);
  await writer.send({ action: 'WRITE', ref: 'anew', data: BYTES.subarray(0, 5000) });
  const begun = await writer.send({ action: 'WRITE', offset: 0, data: BYTES.subarray(0, 10) });
  expect(begun).toMatchObject({ offset: 10, digest: digestOf(BYTES.subarray(0, 10)) });
  const wrong = writer.send({ action: 'WRITE', offset: 3, data: BYTES.subarray(0, 10) });
  expect((await failureOf(wrong)).code).toBe('InvalidArgument');
});

test('what is not as expected is refused, and can be aborted', async () => {
  const client = (await useDaemon()).connect('content');
  const writer = openWriter(client);
  await writer.send({ action: 'WRITE', ref: 'wrong', data: BYTES.subarray(0, 10) });
  const commit = writer.send({ action: 'COMMIT', offset: 10, expected: DIGEST });
  expect((await failureOf(commit)).code).toBe('FailedPrecondition');
  const refs = async () => {
    const { statuses } = await client.ask<ListStatusesResponse>('listStatuses', { filters: ['ref~=wro'] });
    return statuses.map(({ ref }) => ref);
  };
  expect(await refs()).toEqual(['wrong']);
  await client.ask('abort', { ref: 'wrong' });
  expect(await refs()).toEqual([]);
  await writeBlob(client, 'right', BYTES);
  const again = openWriter(client).send({ action: 'STAT', ref: 'again', expected: DIGEST });
  expect((await failureOf(again)).code).toBe('AlreadyExists');
});

test.each([
  ['no ref', { action: 'STAT' }, 'InvalidArgument'],
  ['no digest', { action: 'STAT', ref: 'r', expected: 'sha256:12' }, 'InvalidArgument'],
  ['another algorithm', { action: 'STAT', ref: 'r', expected: `sha512:${'0'.repeat(128)}` }, 'Unimplemented'],
] as const)('a writer with %s is refused', async (_, request, code) => {
  const client = (await useDaemon()).connect('content');
  expect((await failureOf(openWriter(client).send(request))).code).toBe(code);
});

test('a caller that goes away while it writes leaves the ingest to others', async () => {
  const { connect, nextEntry } = await useDaemon();
  const client = connect('content');
  const writer = openWriter(client);
  await writer.send({ action: 'WRITE', ref: 'left', data: BYTES.subarray(0, 100) });
  const ended = nextEntry();
  writer.cancel();
  expect(await ended).toMatchObject({ message: 'Content.Write' });
  const { status } = await client.ask<StatusResponse>('status', { ref: 'left' });
  expect(status.offset).toBe(100);
  await client.ask('abort', { ref: 'left' });
});
