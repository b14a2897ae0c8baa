import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import { script } from '../paths.js';
import { run } from '../run.js';
import { median } from '../statistics.js';
import type { NodeRelease } from './nodes.js';

export const COUNT = 100;

/** Unpacks of the same small layer in one process, one after the other. */
export interface SmallLayers {
  /** The release of Node.js. */
  readonly input: string;
  /** Of each unpack, in order; an array for each round. */
  readonly milliseconds: readonly (readonly number[])[];
  /** Of all unpacks of a round. */
  readonly cpuSeconds: readonly number[];
}

export function measureSmallLayers(
  nodes: readonly NodeRelease[],
  layer: Layer,
  dir: string,
  rounds: number,
): SmallLayers[] {
  const all = nodes.map(({ name, path }) => ({
    ...{ input: name, path },
    milliseconds: [] as number[][],
    cpuSeconds: [] as number[],
  }));
  const dest = join(dir, 'dest');
  for (let round = 0; round < rounds; round += 1)
    for (const { path, milliseconds, cpuSeconds } of all) {
      mkdirSync(dest);
      const command = [...script('small-layers', path), layer.file('gzip'), dest, String(COUNT)];
      const once = JSON.parse(run(command)) as { milliseconds: number[]; cpuSeconds: number };
      milliseconds.push(once.milliseconds);
      cpuSeconds.push(once.cpuSeconds);
      run(['rm', '-rf', dest]);
    }
  return all.map(({ input, milliseconds, cpuSeconds }) => {
    const layers = { input, milliseconds, cpuSeconds };
    console.error(
      `start    ${input.padEnd(13)} ${'small layers in one process'.padEnd(28)} ${againOf(layers).toFixed(1)} ms, ${COUNT} in ${allOf(layers).toFixed(2)} s`,
    );
    return layers;
  });
}

/** Median of the rounds of the first unpack, in milliseconds. */
export function firstOf({ milliseconds }: SmallLayers): number {
  return median(milliseconds.map((round) => round[0]!));
}

/** The same of the median of the second to the eleventh. */
export function againOf({ milliseconds }: SmallLayers): number {
  return median(milliseconds.map((round) => median(round.slice(1, 11))));
}

/** The same of the median of all after the eleventh. */
export function laterOf({ milliseconds }: SmallLayers): number {
  return median(milliseconds.map((round) => median(round.slice(11))));
}

/** Median of the rounds of the sum, in seconds. */
export function allOf({ milliseconds }: SmallLayers): number {
  return median(milliseconds.map((round) => round.reduce((sum, one) => sum + one, 0) / 1000));
}
