import { describe, expect, it, test, vi } from 'vitest';
import { anomalyTable, TypeTally } from '../../src/cli/commands/inspect.js';
import { exitCode } from '../../src/cli/exit-code.js';
import { collect, parseCount, parseSize } from '../../src/cli/flags/declare.js';
import { formatCount, formatSeconds, formatTime } from '../../src/cli/render/format.js';
import { imageText } from '../../src/cli/render/image.js';
import { layerSummary } from '../../src/cli/render/layer-summary.js';
import { columns } from '../../src/cli/render/list.js';
import { LISTING_HEADER, listingRow, operationLines } from '../../src/cli/render/operation-text.js';
import { labelledRows } from '../../src/cli/render/print.js';
import { createProgress, Pace, progressText } from '../../src/cli/render/progress/layer-progress.js';
import type { Digest, InspectedImage, Operation, PlannedOperation, TarEntry } from '../../src/index.js';
import { controlCharacters } from './helpers.js';

const ENTRY: TarEntry = {
  path: './usr/bin/su',
  type: 'file',
  size: 71_912,
  mode: 0o4755,
  uid: 0,
  gid: 1000,
  mtimeSec: Date.UTC(2024, 4, 6, 7, 8, 9) / 1000,
  mtimeNsec: 5,
  atimeSec: undefined,
  atimeNsec: undefined,
  linkPath: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
  sparse: false,
  offset: 1024,
  dataOffset: 1536,
};

function planned(op: Operation['op'], entry: Partial<TarEntry> = {}): PlannedOperation {
  const whole = { ...ENTRY, ...entry };
  const path = whole.path.replace('./', '');
  const placed = { path, parent: '', name: path, entry: whole };
  const operation = op === 'hardlink' ? { op, linkPath: whole.linkPath, ...placed } : { op, ...placed };
  return { operation: operation as Operation, anomalies: [] };
}

test.each([
  ['4096', 4096],
  ['10M', 10 * 1024 ** 2],
  ['2GiB', 2 * 1024 ** 3],
  ['1.5k', 1536],
  ['3 MB', 3_000_000],
])('the size %s is %i bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', '0', '-1', '10X', 'M', '1e3', '0x10', '9999999T', 'constructor'])(
  '"%s" is no size',
  (text) => {
    expect(() => parseSize(text)).toThrow('It should be a size');
  },
);

test('counts are whole numbers above 0', () => {
  expect(parseCount('1000')).toBe(1000);
  for (const text of ['', '0', '-1', '1.5', '1k', 'Infinity']) expect(() => parseCount(text)).toThrow();
});

test('a repeatable option keeps its order', () => {
  expect(collect('b', collect('a'))).toEqual(['a', 'b']);
});

test('numbers and durations read as people write them', () => {
  expect([0, 999, 1000, 24033, 1234567].map(formatCount)).toEqual([
    '0',
    '999',
    '1,000',
    '24,033',
    '1,234,567',
  ]);
  expect([0.0421, 1.23, 9.99, 12.4, 59.6, 200, 7500].map(formatSeconds)).toEqual([
    '0.042 s',
    '1.2 s',
    '10 s',
    '12 s',
    '1 min 00 s',
    '3 min 20 s',
    '2 h 05 min',
  ]);
});

test('times have the nanoseconds there are, and any number is a time', () => {
  expect(formatTime(0, 0)).toBe('1970-01-01T00:00:00Z');
  expect(formatTime(-1, 5)).toBe('1969-12-31T23:59:59.000000005Z');
  expect(formatTime(9e15, 0)).toBe('@9000000000000000');
});

describe('listing', () => {
  it('shows an entry as ls -l does', () => {
    expect(listingRow(planned('file'))).toBe(
      '-rwsr-xr-x      0:1000   71.9 kB  2024-05-06 07:08  ./usr/bin/su\n',
    );
    expect(listingRow(planned('directory', { type: 'directory', path: 'tmp/', mode: 0o1777 }))).toMatch(
      /^drwxrwxrwt .* - .* tmp\/\n$/,
    );
    expect(listingRow(planned('file', { mode: 0o7000 }))).toMatch(/^---S--S--T /);
    expect(LISTING_HEADER.indexOf('NAME')).toBe(listingRow(planned('file')).indexOf('./usr'));
  });

  it('shows what links, devices and whiteouts are about', () => {
    expect(listingRow(planned('symlink', { type: 'symlink', linkPath: '/bin' }))).toMatch(/^l.* -> \/bin\n$/);
    expect(listingRow(planned('hardlink', { type: 'hardlink', linkPath: 'a' }))).toMatch(/^h.* link to a\n$/);
    expect(
      listingRow(planned('character-device', { type: 'character-device', devMajor: 1, devMinor: 3 })),
    ).toMatch(/^c.* 1, 3 /);
    expect(listingRow(planned('whiteout', { path: 'etc/.wh.passwd' }))).toMatch(
      /^whiteout .*etc\/\.wh\.passwd\n$/,
    );
  });

  it('names anomalies beside their entry', () => {
    const row = listingRow({
      ...planned('file'),
      anomalies: [{ kind: 'setuid', entry: 'usr/bin/su', offset: 1024 }],
    });
    expect(row).toMatch(/ {2}\[setuid\]\n$/);
  });
});

test.each([
  ['a name', planned('file', { path: 'a\x1b[2Jb\nc' })],
  ['a link target', planned('symlink', { type: 'symlink', linkPath: '\x1b]0;owned\x07' })],
])('no escape sequence of %s reaches the terminal', (_, operation) => {
  for (const text of [listingRow(operation), operationLines(operation)]) {
    expect(text).toContain('\\x1b');
    expect(controlCharacters(text)).toEqual([]);
  }
});

test('a dry run names each operation and its anomalies', () => {
  const lines = operationLines({
    ...planned('file'),
    anomalies: [{ kind: 'non-canonical-name', entry: './usr/bin/su', offset: 1024, detail: 'usr/bin/su' }],
  });
  expect(lines).toBe(
    'file              usr/bin/su (4755 0:1000, 71.9 kB)\n  ! non-canonical-name: usr/bin/su\n',
  );
});

describe('progress', () => {
  it('tells the rate and the time left', () => {
    const pace = new Pace(0);
    const now = { compressedSize: 100e6, bytes: 0, entries: 1200 };
    pace.measure({ ...now, compressedBytes: 10e6 }, 1);
    const paced = pace.measure({ ...now, compressedBytes: 20e6 }, 2);
    expect(paced).toMatchObject({ rate: 10e6, secondsLeft: 8, seconds: 2 });
    expect(progressText(paced)).toBe('20 MB of 100 MB (20 %), 10 MB/s, 8.0 s left, 1,200 entries');
  });

  it('follows the last seconds, not the average', () => {
    const pace = new Pace(0);
    const now = { compressedSize: 100e6, bytes: 0, entries: 1 };
    pace.measure({ ...now, compressedBytes: 50e6 }, 1);
    for (let second = 2; second < 20; second++)
      pace.measure({ ...now, compressedBytes: 50e6 }, second * 1000);
    expect(pace.measure({ ...now, compressedBytes: 50e6 }, 20)).toMatchObject({
      rate: 0,
      secondsLeft: undefined,
    });
  });

  it('does without the size of a stream', () => {
    const pace = new Pace(0);
    const paced = pace.measure({ compressedSize: undefined, bytes: 0, entries: 1, compressedBytes: 5e6 }, 1);
    expect(progressText(paced)).toBe('5 MB, 5 MB/s, 1 entry');
  });

  it('is a line every few seconds in a log', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const now = { compressedSize: 100e6, bytes: 0, entries: 1, compressedBytes: 50e6 };
    const late = createProgress('plain', process.uptime() - 10);
    late.update(now);
    late.update(now);
    createProgress('plain').update(now);
    const lines = write.mock.calls.map(([line]) => line);
    write.mockRestore();
    expect(lines).toEqual([
      expect.stringMatching(/^overlayer: 50 MB of 100 MB \(50 %\), .* MB\/s, .* s left, 1 entry\n$/),
    ]);
  });

  it('says when only the end is left', () => {
    const paced = new Pace(0).measure({ compressedSize: 5, bytes: 5, entries: 1, compressedBytes: 5 }, 1);
    expect(progressText(paced)).toContain('(100 %), 5 B/s, finishing, ');
  });
});

test('a summary has what there is', () => {
  const text = layerSummary('Unpacked', {
    digest: undefined,
    diffID: undefined,
    compression: 'gzip',
    size: 514e6,
    compressedSize: 167e6,
    entries: 24033,
    listsRoot: false,
    whiteouts: 2,
    anomalies: [{ kind: 'setuid', count: 1200, examples: [] }],
  });
  expect(text).toBe(
    [
      'Unpacked',
      '  size       514 MB (167 MB as gzip)',
      '  entries    24,033',
      '  whiteouts  2',
      '  anomalies  setuid 1,200',
      '',
    ].join('\n'),
  );
});

test('a summary names the first of what a tree is without', () => {
  const text = layerSummary('Unpacked', {
    digest: undefined,
    diffID: undefined,
    compression: 'none',
    size: 1,
    compressedSize: 1,
    entries: 5,
    listsRoot: false,
    whiteouts: 2,
    anomalies: [
      { kind: 'setuid', count: 1, examples: [{ kind: 'setuid', entry: 'bin/su', offset: 0 }] },
      {
        kind: 'xattr-skipped',
        count: 3,
        examples: [{ kind: 'xattr-skipped', entry: 'bin/ping', offset: 0, detail: 'security.capability' }],
      },
      {
        kind: 'whiteout-as-attribute',
        count: 1,
        examples: [{ kind: 'whiteout-as-attribute', entry: 'd/.wh.\x1b', offset: 512 }],
      },
    ],
  });
  expect(text.split('\n').slice(-3)).toEqual([
    '  note       d/.wh.\\x1b is marked by an attribute: a container cannot remove or rename the directory that holds it',
    '  note       bin/ping (security.capability) lacks an extended attribute, and 2 more',
    '',
  ]);
});

test('values that are wider than the terminal are wrapped between words, and no word is cut', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const rows = [
    ['digest', digest],
    ['none', undefined],
    ['cmd', '"/bin/sh" "-c" "exec /usr/sbin/server --config /etc/server.conf --verbose"'],
    ['env', `LIST=${'x'.repeat(90)}`],
  ] as const;
  expect(labelledRows('app', rows, 80)).toBe(
    [
      'app',
      '  digest',
      `    ${digest}`,
      '  cmd        "/bin/sh" "-c" "exec /usr/sbin/server --config /etc/server.conf',
      '             --verbose"',
      '  env',
      `    LIST=${'x'.repeat(90)}`,
      '',
    ].join('\n'),
  );
  expect(labelledRows('app', rows, 120).split('\n').slice(1, 3)).toEqual([
    `  digest     ${digest}`,
    `  cmd        ${rows[2][1]}`,
  ]);
});

test('an image is shown with all that says how it is run', () => {
  const digest: Digest = `sha256:${'0'.repeat(64)}`;
  const descriptor = { mediaType: 'none', digest, size: 2_000_000 };
  const text = imageText({
    name: 'app',
    target: descriptor,
    descriptor,
    manifest: { config: descriptor, layers: [descriptor] },
    layers: [{ descriptor, diffID: digest, chainID: digest }],
    labels: { kept: 'here' },
    config: {
      platform: { os: 'linux', architecture: 'amd64' },
      diffIDs: [digest],
      createdAt: undefined,
      author: 'A. Author',
      unread: [{ field: 'config.Env', reason: 'it is 42, not a list' }],
      process: {
        user: '',
        env: ['A=b'],
        entrypoint: [],
        cmd: ['/bin/app'],
        workingDir: '',
        labels: { 'org.example': 'one\ntwo' },
        stopSignal: 'SIGINT',
        volumes: ['/data'],
        exposedPorts: ['80/tcp', '53/udp'],
      },
    },
  } as unknown as InspectedImage);
  expect(text.split('\n').slice(5, -4)).toEqual([
    '  created     unknown',
    '  author      A. Author',
    '  size        2 MB in 1 layer',
    '  entrypoint  none',
    '  cmd         "/bin/app"',
    '  user        root',
    '  directory   /',
    '  stopsignal  SIGINT',
    '  ports       80/tcp, 53/udp',
    '  volume      /data',
    '  env         A=b',
    '  label       org.example=one\\x0atwo',
    '  store label kept=here',
    '  note        config.Env was not read: it is 42, not a list',
  ]);
});

test('tables count types and show the first anomaly of a kind', () => {
  const tally = new TypeTally();
  for (const { operation } of [planned('file'), planned('file'), planned('symlink')]) tally.add(operation);
  expect(tally.table()).toMatch(/file +│ +2 │ +144 kB/);
  const table = anomalyTable([
    {
      kind: 'device',
      count: 3,
      examples: [{ kind: 'device', entry: 'dev/\x1b[1m', offset: 0, detail: '1, 3' }],
    },
  ]);
  expect(table).toMatch(/device +│ +3 │ dev\/\\x1b\[1m \(1, 3\)/);
});

test('exit codes are the gRPC status numbers', () => {
  expect(exitCode('NotFound')).toBe(5);
  expect(exitCode('DataLoss')).toBe(15);
});

describe('columns', () => {
  const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
  const table = (width?: number) =>
    columns(
      ['KEY', 'PARENT', 'KIND'],
      [
        [digest('b'), digest('a'), 'Committed'],
        [digest('a'), '', 'View'],
      ],
      {
        width,
      },
    );

  test('are as wide as what is in them', () => {
    expect(table()).toBe(
      [
        `KEY${' '.repeat(71)}PARENT${' '.repeat(68)}KIND`,
        `${digest('b')}   ${digest('a')}   Committed`,
        `${digest('a')}${' '.repeat(77)}View`,
        '',
      ].join('\n'),
    );
    expect(table(157)).toBe(table());
  });

  test('have short digests on a terminal that is too narrow, but for those that a row is about', () => {
    expect(table(156)).toBe(
      [
        `KEY${' '.repeat(71)}PARENT${' '.repeat(17)}KIND`,
        `${digest('b')}   sha256:aaaaaaaaaaaa…   Committed`,
        `${digest('a')}${' '.repeat(26)}View`,
        '',
      ].join('\n'),
    );
  });
});
