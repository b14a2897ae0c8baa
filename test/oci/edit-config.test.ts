import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ConfigChanges,
  editImageConfig,
  emptyConfig,
  rawHistory,
  withoutLayer,
} from '../../src/oci/edit-config.js';
import { parseImageConfig } from '../../src/oci/image-config.js';
import { JsonText } from '../../src/oci/json-text.js';

const created = new Date('2024-05-06T07:08:09Z');
const edit = (config: string, changes: ConfigChanges = {}) =>
  Buffer.from(editImageConfig(config, { created, changes })).toString();

const ODD = `{ "architecture":"amd64", "big": 12345678901234567890123, "1": 1.0, "0": "\\u003c\\ud800",
  "created": "2020-01-01T00:00:00Z",
  "config":{"Env":["PATH=/bin","A=1"], "Labels":{"constructor":"kept","__proto__":"kept","b":"2"}, "Unknown": [1e400]},
  "os":"linux","rootfs":{"type":"layers","diff_ids":[]},"history":null }\n`;

test('nothing changes but the time and what is named', () => {
  const expected = ODD.replace('2020-01-01T00:00:00Z', '2024-05-06T07:08:09Z');
  expect(edit(ODD)).toBe(expected);
  expect(edit(ODD, { user: 'web' })).toBe(expected.replace('[1e400]}', '[1e400],"User":"web"}'));
  expect(edit(ODD, { env: { A: '2', B: '3' } })).toBe(
    expected.replace('"A=1"]', '"A=2","B=3"]').replace(/"PATH=\/bin",/, '"PATH=/bin",'),
  );
});

test('a variable of null is none, as in Go', () => {
  const { config } = JSON.parse(edit('{"config":{"Env":[null,"A=1"]}}', { env: { B: '2' } }));
  expect(config.Env).toEqual(['A=1', 'B=2']);
});

test('labels that have names of JavaScript stay', () => {
  const { config } = JSON.parse(edit(ODD, { labels: { b: null, c: '3' } }));
  expect(Object.entries(config.Labels)).toEqual([
    ['constructor', 'kept'],
    ['__proto__', 'kept'],
    ['c', '3'],
  ]);
});

test('labels and histories that stay keep their text', () => {
  const big = '9007199254740993';
  const config = `{"config":{"Volumes":{"/b":{"n":${big}},"1":{}}},"history":[{"n":${big},"empty_layer":false}]}`;
  const history = rawHistory(config);
  expect(edit(config, { volumes: { '/c': true } })).toContain(`{"/b":{"n":${big}},"1":{},"/c":{}}`);
  const kept = Buffer.from(editImageConfig(config, { created, history })).toString();
  expect(kept).toContain(`"history":[{"n":${big},"empty_layer":false}]`);
  expect(withoutLayer(history[0]!)).toBe(`{"n":${big},"empty_layer":true}`);
});

test('every field is set, and removed again', () => {
  const plain = emptyConfig({ os: 'linux', architecture: 'amd64' });
  const full = edit(plain, {
    env: { A: '1' },
    entrypoint: ['/init'],
    cmd: ['a', 'b'],
    user: '1:2',
    workingDir: '/srv',
    labels: { a: 'b' },
    stopSignal: 'SIGRTMIN+3',
    volumes: { '/data': true },
    exposedPorts: { 80: true, '53/udp': true, '8000-8010': true },
    author: 'Ada',
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  });
  expect(parseImageConfig(Buffer.from(full))).toMatchObject({
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    createdAt: '2024-05-06T07:08:09Z',
    author: 'Ada',
    process: {
      user: '1:2',
      env: ['A=1'],
      entrypoint: ['/init'],
      cmd: ['a', 'b'],
      workingDir: '/srv',
      labels: { a: 'b' },
      stopSignal: 'SIGRTMIN+3',
      volumes: ['/data'],
      exposedPorts: ['80/tcp', '53/udp', '8000-8010/tcp'],
    },
  });
  const cleared = edit(full, {
    env: { A: null },
    entrypoint: [],
    cmd: [],
    user: '',
    workingDir: '',
    labels: { a: null },
    stopSignal: '',
    volumes: { '/data': null },
    exposedPorts: { '80/tcp': null, '53/udp': null, '8000-8010/tcp': null },
    author: '',
    platform: { os: 'linux', architecture: 'amd64' },
  });
  expect(JSON.parse(cleared)).toEqual({ ...JSON.parse(plain), created: '2024-05-06T07:08:09Z' });
});

test('history and diffIDs', () => {
  const plain = '{"history":[{"created_by":"one","x":1}],"rootfs":{"diff_ids":[]}}';
  const diffIDs = [`sha256:${'0'.repeat(64)}`] as const;
  const appended = [{ createdBy: 'two', emptyLayer: true }];
  const edited = JSON.parse(Buffer.from(editImageConfig(plain, { created, diffIDs, appended })).toString());
  expect(edited.history).toEqual([
    { created_by: 'one', x: 1 },
    { created_by: 'two', empty_layer: true },
  ]);
  expect(edited.rootfs).toEqual({ type: 'layers', diff_ids: diffIDs });
  expect(rawHistory(plain)).toEqual(['{"created_by":"one","x":1}']);
});

describe('readers would disagree:', () => {
  test.each([
    ['a field that is there twice', '{"config":{},"config":{}}', 'field config is there twice'],
    ['a field in another case', '{"Config":{}}', 'field config is written as "Config"'],
    ['a letter that Go takes for an s', '{"config":{"U\u017fer":"x"}}', 'is written as "U\u017fer"'],
    ['a text where an object belongs', '{"config":"x"}', 'field config is not an object'],
  ])('%s', (_, config, message) => {
    expect(() => edit(config, { user: 'web' })).toThrow(message);
  });
});

test.each<[changes: ConfigChanges, message: string]>([
  [{ workingDir: 'srv' }, 'workingDir: "srv" is not an absolute path'],
  [{ volumes: { data: true } }, 'volumes: "data" is not an absolute path'],
  [{ exposedPorts: { '70000': true } }, 'exposedPorts: "70000" is not a port'],
  [{ stopSignal: 'TERM!' }, 'stopSignal: "TERM!" is not a signal'],
  [{ env: { 'A=B': '1' } }, 'env: "A=B" is not the name of a variable'],
  [{ cmd: ['a\0b'] }, 'is not a text without NUL'],
  [{ labels: { '': 'x' } }, 'labels: "" is empty'],
  [{ volumes: { '/a\0b': true } }, 'volumes: "'],
])('an invalid change names its option: %j', (changes, message) => {
  const [option] = Object.keys(changes);
  expect(() => edit(ODD, changes)).toThrow(
    expect.objectContaining({ message: expect.stringContaining(message), option }),
  );
});

test.each<[changes: object, message: string]>([
  [{ env: ['A=1'] }, 'env: an instance of Array is not an object of names'],
  [{ env: { A: 1 } }, 'env: "1" is not a text'],
  [{ labels: { a: 1 } }, 'labels: "1" is not a text'],
  [{ entrypoint: '/bin/app' }, 'entrypoint: a string is not a list of words'],
  [{ author: 5 }, 'author: "5" is not a text'],
  [{ Env: {} }, 'the option config has no option "Env"'],
])('a change of another type, from JavaScript, is refused: %j', (changes, message) => {
  expect(() => edit(ODD, changes)).toThrow(message);
});

test('a change of undefined is none', () => {
  const undefinedLabel = { labels: { a: undefined } } as unknown as ConfigChanges;
  expect(JSON.parse(edit('{"config":{"User":"x"}}', undefinedLabel)).config).toEqual({ User: 'x' });
});

test('a document of any depth is changed without recursion', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  expect(edit(`{"deep":${deep},"config":{}}`, { user: 'web' })).toContain('"config":{"User":"web"}');
});

test('a config that is too large for its changes is refused, and each change counts', () => {
  const Labels = Object.fromEntries(
    Array.from({ length: 500_000 }, (_, index) => [`label-${index}`, 'value']),
  );
  const config = JSON.stringify({ config: { Labels } });
  expect(edit(config, { user: 'web' })).toContain('"User":"web"');
  const changes: ConfigChanges = {
    ...{ user: 'web', workingDir: '/', stopSignal: 'SIGTERM', cmd: ['a'], entrypoint: ['b'] },
    ...{ env: { A: 'b' }, volumes: { '/a': true }, exposedPorts: { 80: true }, labels: { a: 'b' } },
  };
  expect(() => edit(config, changes)).toThrow(expect.objectContaining({ code: 'ResourceExhausted' }));
});

test('property: a field is set, and all others keep their text', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const flat = fc.dictionary(name, fc.json({ maxDepth: 2 }), { maxKeys: 4 });
  fc.assert(
    fc.property(
      flat,
      name,
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('', ' ', '\n  '),
      (fields, key, value, space) => {
        const members = Object.entries(fields).map(
          ([each, json]) => `${space}"${each}"${space}:${space}${json}`,
        );
        const text = new JsonText(Buffer.from(`{${members.join(`${space},`)}${space}}`), 'document');
        text.set([key], value);
        const expected = {
          ...Object.fromEntries(Object.entries(fields).map(([each, json]) => [each, JSON.parse(json)])),
          [key]: value,
        };
        expect(JSON.parse(text.bytes.toString())).toEqual(JSON.parse(JSON.stringify(expected)));
        text.set([key], undefined);
        const { [key]: _, ...rest } = expected;
        expect(JSON.parse(text.bytes.toString())).toEqual(JSON.parse(JSON.stringify(rest)));
        for (const [each, json] of Object.entries(fields))
          if (each !== key) expect(text.bytes.toString()).toContain(json);
      },
    ),
  );
});
