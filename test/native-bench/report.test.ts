import { describe, expect, test } from 'vitest';
import type { Bar } from '../../native-bench/src/bar.js';
import { bars } from '../../native-bench/src/bars.js';
import { chart } from '../../native-bench/src/report/chart.js';
import { barPage, barTable, markdown } from '../../native-bench/src/report/markdown.js';
import { emptyResults, type Results } from '../../native-bench/src/results.js';

const machine = {
  ...{ cpu: 'some', cores: 2, memoryBytes: 25e9, kernel: '6.1', loadBefore: 0 },
  versions: { overlayer: '1' },
};

/** Contenders of one group and input, with the seconds of their rounds. */
type Times = Readonly<Record<string, readonly number[]>>;

function resultsOf(group: string, input: string, times: Times): Results {
  const results = emptyResults(machine, 3);
  const size = { entries: 1, bytes: 1e6, gzipBytes: 1e5, zstdBytes: undefined };
  results.inputs.push({ name: input, definition: 'some files', ...size });
  for (const [contender, all] of Object.entries(times))
    results.measurements.push({
      ...{ group, input, contender, limit: false },
      samples: all.map((seconds) => ({ seconds, userSeconds: 0, systemSeconds: 0, peakBytes: 1e6 })),
    });
  return results;
}

function verdicts(results: Results): Record<string, boolean> {
  return Object.fromEntries(bars(results).map(({ what, met }) => [what, met]));
}

describe('bars', () => {
  test('the start of a command is compared with that of the same Node.js', () => {
    const results = resultsOf('start', 'Node 24.0.0', {
      'node -e 0': [0.03, 0.03],
      'overlayer --version': [0.04, 0.04],
      'overlayer images ls': [0.05, 0.05],
      'overlayer unpack, 1 MB of gzip': [0.048, 0.048],
    });
    expect(verdicts(results)).toEqual({
      'overlayer --version: time against node -e 0': false,
      'overlayer images ls: time against node -e 0': true,
      'overlayer unpack, 1 MB of gzip: time against node -e 0': true,
    });
  });

  test('small layers are judged by the 2nd to 11th of a process, and by the sum of all', () => {
    const results = emptyResults(machine, 1);
    const milliseconds = [
      100,
      ...Array.from({ length: 10 }, () => 7),
      ...Array.from({ length: 89 }, () => 6),
    ];
    results.smallLayers.push({ input: 'Node 24.0.0', milliseconds: [milliseconds], cpuSeconds: [1] });
    expect(bars(results).map(({ measured, met }) => [measured, met])).toEqual([
      ['7.0 ms', true],
      ['0.70 s', false],
    ]);
  });

  test.each([
    ['gzip', { overlayer: [1.0], 'igzip | tar': [1.01] }, true],
    ['gzip', { overlayer: [1.02], 'igzip | tar': [1.01] }, false],
    ['zstd', { overlayer: [1.0], 'zstd | tar, sha256 of both beside': [1.01] }, true],
    ['tar', { overlayer: [1.0], 'tar -xf, sha256 beside': [0.9] }, false],
    ['tar', { 'overlayer, no digests': [1.14], 'tar -xf': [1.0] }, true],
  ])('%s layer: %o', (group, times, met) => {
    expect(bars(resultsOf(group, 'rootfs', times)).map((bar) => bar.met)).toEqual([met]);
  });

  test('no bar compares what is verified with tar alone', () => {
    const times = { overlayer: [1.0], 'tar -xzf': [0.1], 'tar -xf': [0.1], 'zstd | tar': [0.1] };
    for (const group of ['gzip', 'zstd', 'tar']) expect(bars(resultsOf(group, 'rootfs', times))).toEqual([]);
  });

  test('a peer that ran in one round is compared with that round', () => {
    const times = { overlayer: [2, 5, 5], skopeo: [8.1] };
    const all = bars(resultsOf('image', 'image', times)).filter(({ what }) => what.includes('skopeo'));
    expect(all.map(({ measured, met }) => [measured, met])).toEqual([['4.05×', true]]);
  });

  test('a plugin of containerd is compared with containerd', () => {
    const times = { 'newest containerd': [10], 'newest containerd with overlayer': [6] };
    expect(bars(resultsOf('pull', 'image', times)).map(({ met }) => met)).toEqual([false]);
  });

  test('ranges are three times as fast as one connection, and no slower near by', () => {
    const times = { overlayer: [1], 'overlayer, one connection a layer': [3.1] };
    const near = { overlayer: [1.1], 'overlayer, one connection a layer': [1] };
    expect(bars(resultsOf('distant', 'one large layer', times)).map(({ met }) => met)).toEqual([true]);
    expect(bars(resultsOf('near', 'one large layer', near)).map(({ met }) => met)).toEqual([false]);
  });
});

describe('the report', () => {
  const results = resultsOf('gzip', 'rootfs', { overlayer: [1], 'igzip | tar': [1.01], 'tar -xzf': [2] });
  const unmet: Bar = {
    ...{ what: 'some <bar>', input: 'rootfs', required: '≤ 1×', measured: '1.50×' },
    ...{ met: false, share: 1.5, reason: 'This is why.' },
  };
  const all = { ...results, bars: [...bars(results), unmet] };

  test('says why a bar is not met', () => {
    expect(barTable(all.bars)).toEqual([
      '| bar | input | required | measured |  |',
      '| --- | --- | --- | --- | --- |',
      '| gzip: time of overlayer against igzip \\| tar | rootfs | ≤ 1× | 0.99× | met |',
      '| some <bar> | rootfs | ≤ 1× | 1.50× | **not met**: This is why. |',
      '',
    ]);
  });

  test('has a page of the bars of several topics', () => {
    const page = barPage([{ name: 'layers', results, bars: [unmet] }]);
    expect(page).toContain('## [layers](layers.md)');
    expect(page).toContain('**not met**: This is why.');
  });

  test('has a table of each group, with the rounds of each row', () => {
    expect(markdown(all)).toContain('| tar -xzf | 1 | 2.000 s |');
  });

  test('has each bar and each contender in its chart', () => {
    const svg = chart(all);
    for (const text of ['some &lt;bar&gt;: rootfs', '1.50× (≤ 1×)', 'tar -xzf', 'class="missed"'])
      expect(svg).toContain(text);
  });
});
