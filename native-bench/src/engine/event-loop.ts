import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import { script } from '../paths.js';
import { run } from '../run.js';
import { median } from '../statistics.js';

/** How late the event loop of an embedding program is while it unpacks a gzip layer, in milliseconds. */
export interface EventLoopDelay {
  readonly input: string;
  readonly source: 'path' | 'stream';
  readonly p99: readonly number[];
  readonly max: readonly number[];
}

export function measureEventLoop(layer: Layer, dir: string, rounds: number): EventLoopDelay[] {
  const dest = join(dir, 'dest');
  return (['path', 'stream'] as const).map((source) => {
    const p99: number[] = [];
    const max: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      mkdirSync(dest);
      const delay = JSON.parse(run([...script('event-loop-delay'), layer.file('gzip'), dest, source]));
      p99.push(delay.p99);
      max.push(delay.max);
      run(['rm', '-rf', dest]);
    }
    console.error(`loop     ${layer.name.padEnd(13)} ${source.padEnd(28)} ${median(p99).toFixed(1)} ms p99`);
    return { input: layer.name, source, p99, max };
  });
}
