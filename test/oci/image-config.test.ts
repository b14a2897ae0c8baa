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

describe('the field at fault is named', () => {
  test.each([
    ['os', { ...CONFIG, os: undefined }],
    ['architecture', { ...CONFIG, architecture: null }],
    ['rootfs', { ...CONFIG, rootfs: undefined }],
    ['rootfs.type', { ...CONFIG, rootfs: { type: 'disk', diff_ids: [] } }],
    ['rootfs.diff_ids.1', { ...CONFIG, rootfs: { type: 'layers', diff_ids: [DIFF_ID, 'x'] } }],
    ['config.Env', { ...CONFIG, config: { Env: 'PATH=/' } }],
    ['config.Cmd.0', { ...CONFIG, config: { Cmd: [1] } }],
    ['config.User', { ...CONFIG, config: { User: 0 } }],
    ['created', { ...CONFIG, created: 'yesterday' }],
  ])('%s', (field, document) => {
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        message: expect.stringContaining(`field ${field}: `),
      }),
    );
  });
});
