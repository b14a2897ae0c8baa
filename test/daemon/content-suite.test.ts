import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type {
  BlobInfoMessage,
  InfoResponse,
  ListStatusesResponse,
  ReadResponse,
  StatusResponse,
  WriteRequest,
  WriteResponse,
} from '../../src/daemon/content/content-messages.js';
import type { TimestampMessage } from '../../src/daemon/messages.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { failureOf } from '../helpers/sandbox.js';
import { digestOf, openWriter, type Writer } from './content-writer.js';
import { type Client, connect } from './grpc-client.js';
import { useContainerd } from './use-containerd.js';
import { useDaemon } from './use-daemon.js';

/** Keeps a blob from containerd's garbage collection. */
const KEPT = { 'containerd.io/gc.root': '2026-01-01T00:00:00Z' };
const EMPTY = digestOf(Buffer.alloc(0));

type Begin = Partial<Pick<WriteRequest, 'total' | 'expected'>>;

/** A writer of containerd's clients: it begins with a question, and asks again while another has the ref. */
async function begin(client: Client, ref: string, request: Begin = {}): Promise<Writer> {
  for (;;) {
    const writer = openWriter(client);
    onTestFinished(() => writer.cancel());
    try {
      await writer.send({ action: 'STAT', ref, ...request });
      return writer;
    } catch (error) {
      if ((error as { code?: string }).code !== 'Unavailable') throw error;
    }
  }
}

const now = (): bigint => toNanoseconds(openLinuxSystem().clock());
const toNanoseconds = ({ sec, nsec }: { sec: number; nsec: number }) =>
  BigInt(sec) * 1_000_000_000n + BigInt(nsec);

/** When something was done: not before it was asked for, and not after it was answered. */
class Span {
  readonly from = now();
  #to: bigint | undefined;

  static async of(work: () => Promise<unknown>): Promise<Span> {
    const span = new Span();
    await work();
    return span.end();
  }

  end(): this {
    this.#to = now();
    return this;
  }

  expectToContain({ seconds, nanos }: TimestampMessage, what: string): void {
    const time = toNanoseconds({ sec: seconds, nsec: nanos });
    expect(time, what).toBeGreaterThanOrEqual(this.from);
    expect(time, what).toBeLessThanOrEqual(this.#to!);
  }
}

async function infoOf(client: Client, digest: string): Promise<BlobInfoMessage> {
  return (await client.ask<InfoResponse>('info', { digest })).info;
}

async function readBlob(client: Client, digest: string, request: object = {}): Promise<Buffer> {
  const answers = await client.list<ReadResponse>('read', { digest, ...request });
  return Buffer.concat(answers.map(({ data }) => data));
}

async function expectTimes(
  { startedAt, updatedAt }: Pick<WriteResponse, 'startedAt' | 'updatedAt'>,
  started: Span,
  updated: Span,
): Promise<void> {
  started.expectToContain(startedAt!, 'started at');
  updated.expectToContain(updatedAt!, 'updated at');
}

/** What containerd asks of a content store, case by case (core/content/testsuite), in our words. */
function contentSuite(open: () => Promise<Client>): void {
  test.each([
    ['a ref', () => ({})],
    ['and a size', (bytes: Buffer) => ({ total: bytes.length })],
    ['and a digest', (bytes: Buffer) => ({ expected: digestOf(bytes) })],
    ['and both', (bytes: Buffer) => ({ total: bytes.length, expected: digestOf(bytes) })],
  ])('what was begun with %s becomes a blob, dated within the commit', async (name, begun) => {
    const client = await open();
    const bytes = randomBytes(256);
    const writer = await begin(client, `begun with ${name}`, begun(bytes));
    for (let offset = 0; offset < bytes.length; offset += 32)
      await writer.send({ action: 'WRITE', offset, data: bytes.subarray(offset, offset + 32) });
    const commit = await Span.of(async () => {
      const answer = await writer.send({ action: 'COMMIT', offset: bytes.length, labels: KEPT });
      expect(answer.digest).toBe(digestOf(bytes));
    });
    const info = await infoOf(client, digestOf(bytes));
    expect(info).toMatchObject({ size: bytes.length, labels: KEPT });
    commit.expectToContain(info.createdAt, 'created at');
    commit.expectToContain(info.updatedAt, 'updated at');
  });

  test('a status tells of each write, and when that was, to whoever asks', async () => {
    const client = await open();
    const bytes = randomBytes(256);
    const [ref, total] = ['told', bytes.length];
    const started = new Span();
    const writer = await begin(client, ref, { total, expected: digestOf(bytes) });
    started.end();
    let updated = started;
    for (const [from, to] of [
      [0, 0],
      [0, 64],
      [64, 192],
      [192, 256],
    ] as const) {
      if (to > from)
        updated = await Span.of(() =>
          writer.send({ action: 'WRITE', offset: from, data: bytes.subarray(from, to) }),
        );
      const own = await writer.send({ action: 'STAT', ref });
      expect(own).toMatchObject({ offset: to, total, digest: digestOf(bytes.subarray(0, to)) });
      await expectTimes(own, started, updated);
      const { status } = await client.ask<StatusResponse>('status', { ref });
      expect(status).toMatchObject({ ref, offset: to, total });
      await expectTimes(status, started, updated);
      const { statuses } = await client.ask<ListStatusesResponse>('listStatuses', {
        filters: [`ref==${ref}`],
      });
      expect(statuses).toEqual([status]);
    }
    await writer.send({ action: 'COMMIT', offset: total, labels: KEPT });
    expect((await failureOf(client.ask('status', { ref }))).code).toBe('NotFound');
  });

  test('the next writer finds what the one before has left, times and all', async () => {
    const client = await open();
    const bytes = randomBytes(256);
    const request = { total: bytes.length, expected: digestOf(bytes) };
    const started = new Span();
    const first = await begin(client, 'left', request);
    started.end();
    const half = bytes.subarray(0, 128);
    const updated = await Span.of(() => first.send({ action: 'WRITE', data: half }));
    first.end();
    const second = await begin(client, 'left', request);
    const found = await second.send({ action: 'STAT' });
    expect(found).toMatchObject({ offset: 128, total: 256, digest: digestOf(half) });
    await expectTimes(found, started, updated);
    await second.send({ action: 'WRITE', offset: 128, data: bytes.subarray(128) });
    await second.send({ action: 'COMMIT', offset: 256, labels: KEPT });
    expect(await readBlob(client, request.expected)).toEqual(bytes);
  });

  test.each(['of an expected digest', 'of whatever they are'])(
    'a commit of bytes that are there, %s, is refused; the ingest goes, the blob stays as it is',
    async (kind) => {
      const client = await open();
      const bytes = randomBytes(256);
      const [digest, ref] = [digestOf(bytes), `again, ${kind}`];
      const commit = async (labels: Record<string, string>, expected = '') => {
        const writer = await begin(client, ref);
        await writer.send({ action: 'WRITE', data: bytes });
        return await writer.send({ action: 'COMMIT', offset: 256, total: 256, expected, labels });
      };
      await commit(KEPT);
      const before = await infoOf(client, digest);
      const again = commit({ other: 'label' }, kind === 'of an expected digest' ? digest : '');
      expect((await failureOf(again)).code).toBe('AlreadyExists');
      expect(await infoOf(client, digest)).toEqual(before);
      expect((await failureOf(client.ask('status', { ref }))).code).toBe('NotFound');
    },
  );

  test('of writers that commit the same bytes at once, one makes the blob', async () => {
    const client = await open();
    const bytes = randomBytes(256);
    const writers = await Promise.all(['a', 'b', 'c'].map((name) => begin(client, `at once ${name}`)));
    await Promise.all(writers.map((writer) => writer.send({ action: 'WRITE', data: bytes })));
    const commits = await Promise.allSettled(
      writers.map((writer) => writer.send({ action: 'COMMIT', offset: 256, labels: KEPT })),
    );
    const codes = commits.map((commit) => (commit.status === 'fulfilled' ? 'OK' : commit.reason.code));
    expect(codes.sort()).toEqual(['AlreadyExists', 'AlreadyExists', 'OK']);
  });

  test('a refused commit leaves the ref free, and the bytes to a commit that is right', async () => {
    const client = await open();
    const [bytes, ref] = [randomBytes(256), 'refused'];
    const longer = Buffer.concat([bytes, Buffer.from('more')]);
    const expectBusy = async () =>
      expect((await failureOf(openWriter(client).send({ action: 'STAT', ref }))).code).toBe('Unavailable');
    const commit = async (request: Partial<WriteRequest>, data = Buffer.alloc(0)) => {
      const writer = await begin(client, ref);
      await expectBusy();
      const { offset } = await writer.send({ action: 'STAT' });
      if (data.length > 0) await writer.send({ action: 'WRITE', offset, data });
      const end = { offset: offset + data.length, labels: KEPT };
      const done = await writer.send({ action: 'COMMIT', ...end, ...request }).then(
        () => 'OK',
        ({ code }) => code,
      );
      writer.end();
      return done;
    };
    expect(await commit({ total: 256 }, bytes)).toBe('OK');
    expect(await commit({ total: 256, expected: digestOf(bytes) }, bytes)).toBe('AlreadyExists');
    expect(await commit({ total: 256 }, bytes)).toBe('AlreadyExists');
    expect(await commit({ total: 260, expected: EMPTY }, longer)).toBe('FailedPrecondition');
    expect(await commit({ total: 256 })).toBe('FailedPrecondition');
    expect(await commit({ total: 260 })).toBe('OK');
    expect(await readBlob(client, digestOf(longer))).toEqual(longer);
    expect(await commit({ total: 256, expected: digestOf(bytes) }, bytes)).toBe('AlreadyExists');
    (await begin(client, ref)).end();
  });

  describe.each([500, 5000, 50_000])('of %i bytes', (size) => {
    test.each([0, 0.1, 0.5, 0.9, 1])('%f are there: the rest follows, or all anew', async (part) => {
      const client = await open();
      const there = Math.floor(size * part);
      for (const from of new Set([there, 0])) {
        const bytes = randomBytes(size);
        const [ref, expected] = [`${there} of ${size} from ${from}`, digestOf(bytes)];
        const first = await begin(client, ref, { total: size, expected });
        await first.send({ action: 'WRITE', data: bytes.subarray(0, there) });
        first.end();
        const second = await begin(client, ref, { total: size, expected });
        expect((await second.send({ action: 'STAT' })).offset).toBe(there);
        for (let offset = from; offset < size; offset += 1024)
          await second.send({ action: 'WRITE', offset, data: bytes.subarray(offset, offset + 1024) });
        await second.send({ action: 'COMMIT', offset: size, total: size, expected, labels: KEPT });
        expect(await readBlob(client, expected)).toEqual(bytes);
      }
    });
  });

  test('a small blob is read by whoever asks for more than there is', async () => {
    const client = await open();
    const bytes = Buffer.from(`small ${randomBytes(4).toString('hex')}`);
    const writer = await begin(client, 'small', { total: bytes.length });
    await writer.send({ action: 'COMMIT', data: bytes, labels: KEPT });
    expect(await readBlob(client, digestOf(bytes), { size: bytes.length + 1 })).toEqual(bytes);
    expect(await readBlob(client, digestOf(bytes), { offset: bytes.length, size: 1 })).toEqual(
      Buffer.alloc(0),
    );
  });

  test('labels are replaced, or one by one; only the time of the update moves', async () => {
    const client = await open();
    const bytes = randomBytes(256);
    const digest = digestOf(bytes);
    const writer = await begin(client, 'labelled', { expected: digest });
    const labels = { ...KEPT, k1: 'v1', k2: 'v2' };
    const created = await Span.of(() => writer.send({ action: 'COMMIT', data: bytes, labels }));
    const update = async (patch: Record<string, string>, paths: readonly string[], expected: object) => {
      const updated = await Span.of(() =>
        client.ask('update', { info: { digest, labels: patch }, updateMask: { paths } }),
      );
      const info = await infoOf(client, digest);
      expect(info.labels).toEqual(expected);
      created.expectToContain(info.createdAt, 'created at');
      updated.expectToContain(info.updatedAt, 'updated at');
    };
    const replaced = { ...KEPT, k1: 'new', k3: 'v3' };
    await update(replaced, [], replaced);
    await update({ k1: 'v1' }, ['labels.k1', 'labels.k3'], { ...KEPT, k1: 'v1' });
  });

  test('an ingest is aborted right after its writer has closed', async () => {
    const client = await open();
    for (let round = 0; round < 50; round++) {
      const ref = `closed ${round}`;
      const writer = await begin(client, ref);
      await writer.send({ action: 'WRITE', data: randomBytes(256) });
      writer.end();
      await client.ask('abort', { ref });
      expect((await failureOf(client.ask('status', { ref }))).code).toBe('NotFound');
    }
  });

  test('an ingest that is aborted under its writer is gone, and free', async () => {
    const client = await open();
    const [bytes, ref] = [randomBytes(256), 'aborted'];
    const writer = await begin(client, ref);
    await writer.send({ action: 'WRITE', data: bytes });
    await client.ask('abort', { ref });
    const next = await begin(client, ref);
    expect(await next.send({ action: 'STAT' })).toMatchObject({ offset: 0, digest: EMPTY });
    const refused = writer.send({ action: 'COMMIT', offset: 256 });
    expect((await failureOf(refused)).code).toBe('FailedPrecondition');
    expect((await failureOf(client.ask('info', { digest: digestOf(bytes) }))).code).toBe('NotFound');
  });
}

describe("containerd's content suite", () => {
  contentSuite(async () => (await useDaemon()).connect('content'));
});

describe("containerd's content suite, in a containerd that has overlayer's content store", () => {
  const used = useContainerd({ version: '2.1', content: 'overlayer' });
  const openIn = (namespace: string) => {
    const client = connect('content', used.containerd.address, namespace);
    onTestFinished(() => client.close());
    return client;
  };

  contentSuite(async () => openIn('suite'));

  test('what one namespace has, another gets by its digest, and goes on from there', async () => {
    const bytes = randomBytes(1000);
    const expected = digestOf(bytes);
    const first = await begin(openIn('one'), 'shared', { total: 1000, expected });
    await first.send({ action: 'COMMIT', data: bytes, labels: KEPT });
    const other = openIn('other');
    const second = await begin(other, 'shared', { total: 1000, expected });
    expect(await second.send({ action: 'STAT' })).toMatchObject({
      offset: 1000,
      total: 1000,
      digest: expected,
    });
    await second.send({ action: 'COMMIT', offset: 1000, labels: KEPT });
    expect(await readBlob(other, expected)).toEqual(bytes);
    const third = await begin(openIn('third'), 'shared', { total: 1000, expected });
    const more = Buffer.concat([bytes, Buffer.from('more')]);
    await third.send({ action: 'WRITE', offset: 1000, data: more.subarray(1000) });
    await third.send({
      action: 'COMMIT',
      offset: 1004,
      total: 1004,
      expected: digestOf(more),
      labels: KEPT,
    });
    expect(await readBlob(openIn('third'), digestOf(more))).toEqual(more);
  });
});
