import { describe, expect, test } from 'vitest';
import { parseImageConfig } from '../../src/oci/image-config.js';

const DIFF_ID = `sha256:${'b'.repeat(64)}`;
const CONFIG = {
  architecture: 'arm64',
  os: 'linux',
  variant: 'v8',
  created: '2024-05-01T12:00:00.123456789Z',
  config: {
    User: '1000:100',
    Env: ['PATH=/bin'],
    Entrypoint: ['/init'],
    Cmd: ['--help'],
    WorkingDir: '/srv',
    Labels: { a: 'b' },
    StopSignal: 'SIGINT',
    Volumes: { '/data': {} },
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['NONE'] },
  },
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
  history: [{ created_by: 'test' }],
};

const parse = (document: unknown) => parseImageConfig(Buffer.from(JSON.stringify(document)));

test('a config', () => {
  expect(parse(CONFIG)).toEqual({
    platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    diffIDs: [DIFF_ID],
    createdAt: '2024-05-01T12:00:00.123456789Z',
    author: undefined,
    history: [{ createdBy: 'test', emptyLayer: false }],
    text: JSON.stringify(CONFIG),
    process: {
      user: '1000:100',
      env: ['PATH=/bin'],
      entrypoint: ['/init'],
      cmd: ['--help'],
      workingDir: '/srv',
      labels: { a: 'b' },
      stopSignal: 'SIGINT',
      volumes: ['/data'],
      exposedPorts: ['80/tcp'],
    },
  });
});

test('a text that is not UTF-8 refuses nothing', () => {
  const document = JSON.stringify({ ...CONFIG, author: 'AUTHOR', config: { Labels: { by: 'AUTHOR' } } });
  const { diffIDs, process } = parseImageConfig(
    Buffer.from(document.replaceAll('AUTHOR', 'Jos\xe9'), 'latin1'),
  );
  expect(diffIDs).toEqual([DIFF_ID]);
  expect(process.labels).toEqual({ by: 'Jos\ufffd' });
});

test('one that says as little as it may', () => {
  const { process, createdAt } = parse({
    os: 'linux',
    architecture: 'amd64',
    config: { Env: null, Cmd: null, Labels: null, Volumes: null },
    rootfs: { type: '', diff_ids: null },
  });
  expect(createdAt).toBeUndefined();
  expect(process).toEqual({
    user: '',
    env: [],
    entrypoint: [],
    cmd: [],
    workingDir: '',
    labels: {},
    stopSignal: undefined,
    volumes: [],
    exposedPorts: [],
  });
});

test.each([
  ['nothing', {}, { os: '', architecture: '' }],
  ['empty texts', { os: '', architecture: '', variant: '' }, { os: '', architecture: '' }],
  ['null', { os: null, architecture: null }, { os: '', architecture: '' }],
  ['something else than texts', { os: 7, architecture: [] }, { os: '', architecture: '' }],
])('of its platform it may say %s', (_, fields, platform) => {
  expect(parse({ ...fields, rootfs: CONFIG.rootfs }).platform).toEqual(platform);
});

test.each(['', null, 7, 'yesterday', '2024-05-06T07:08:09'])('a time of making %j is none', (created) => {
  expect(parse({ ...CONFIG, created }).createdAt).toBeUndefined();
});

test('null is absent, as in Go: for a label, an item of the environment, a list', () => {
  const config = { Labels: { a: null, b: 'c' }, Env: [null, 'A=b'], Cmd: null, Volumes: { '/data': null } };
  const { process, unread } = parse({ ...CONFIG, config });
  expect(process).toMatchObject({ labels: { a: '', b: 'c' }, env: ['A=b'], cmd: [], volumes: ['/data'] });
  expect(unread).toBeUndefined();
});

test.each<readonly [field: string, config: unknown, reason: string]>([
  ['config', 'none', 'it is not an object'],
  ['config', [], 'it is not an object'],
  ['config.Env', { Env: 'PATH=/' }, 'it is "PATH=/", not a list'],
  ['config.Cmd.0', { Cmd: [1] }, 'it is 1, not a text'],
  ['config.User', { User: 0 }, 'it is 0, not a text'],
  ['config.Entrypoint', { Entrypoint: '/bin/app' }, 'it is "/bin/app", not a list'],
  ['config.Labels.build', { Labels: { build: 42 } }, 'it is 42, not a text'],
  ['config.Volumes', { Volumes: ['/data'] }, 'it is not an object'],
])('what is wrong with how it is run is told, and does not keep the layers: %s', (field, config, reason) => {
  const { diffIDs, process, unread } = parse({ ...CONFIG, config });
  expect(diffIDs).toEqual([DIFF_ID]);
  expect(process).toMatchObject({ user: '', env: [], entrypoint: [], cmd: [], labels: {}, volumes: [] });
  expect(unread).toEqual([{ field, reason }]);
});

describe('the field at fault is named', () => {
  test.each([
    ['rootfs', 'it is missing', { ...CONFIG, rootfs: undefined }],
    ['rootfs.type', 'it is "disk"', { ...CONFIG, rootfs: { type: 'disk', diff_ids: [] } }],
    ['rootfs.diff_ids', 'not a list', { ...CONFIG, rootfs: { type: 'layers', diff_ids: DIFF_ID } }],
    [
      'rootfs.diff_ids.1',
      'Not a digest',
      { ...CONFIG, rootfs: { type: 'layers', diff_ids: [DIFF_ID, 'x'] } },
    ],
  ])('%s', (field, reason, document) => {
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        message: expect.stringMatching(`field ${field}: .*${reason}`),
      }),
    );
  });
});
