import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BENCH_DIR } from './paths.js';
import { type Command, run } from './run.js';
import { median } from './statistics.js';

/** One way to do the work. */
export interface Contender {
  readonly name: string;
  /** Works on an empty directory `dest`. */
  command(dest: string): Command;
  /** Brings the tool back to its state before the work. It does not count. */
  before?(): void;
  readonly env?: Readonly<Record<string, string>>;
  /** A physical limit rather than a peer: it does a part of the work only. */
  readonly limit?: boolean;
  /** It is measured in the first round only. */
  readonly slow?: boolean;
}

export interface Sample {
  readonly seconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly peakBytes: number;
}

export interface Measurement {
  readonly group: string;
  readonly input: string;
  readonly contender: string;
  readonly limit: boolean;
  readonly samples: readonly Sample[];
}

const TIMED = join(BENCH_DIR, 'scripts', 'timed.sh');

export interface Rounds {
  readonly group: string;
  readonly input: string;
  /** A directory on the file system to measure. */
  readonly dir: string;
  readonly rounds: number;
}

/** Each contender once, then each again: a slow minute of the machine hits all of them. */
export function measureInTurn(contenders: readonly Contender[], where: Rounds): Measurement[] {
  const samples = contenders.map((): Sample[] => []);
  for (let round = 0; round < where.rounds; round += 1)
    for (const [index, contender] of contenders.entries()) {
      if (round > 0 && contender.slow) continue;
      const sample = measureOnce(contender, where.dir);
      samples[index]!.push(sample);
      progress(where, `${contender.name}, round ${round + 1}`, sample.seconds);
    }
  return contenders.map(({ name, limit = false }, index) => {
    const { group, input } = where;
    const measurement = { group, input, contender: name, limit, samples: samples[index]! };
    progress(where, `${name}, median`, median(measurement.samples.map((sample) => sample.seconds)));
    return measurement;
  });
}

function progress({ group, input }: Rounds, what: string, seconds: number): void {
  console.error(`${group.padEnd(8)} ${input.padEnd(13)} ${what.padEnd(44)} ${seconds.toFixed(3)} s`);
}

function measureOnce(contender: Contender, dir: string): Sample {
  const dest = join(dir, 'dest');
  const [times, memory] = [join(dir, 'times'), join(dir, 'memory')];
  contender.before?.();
  mkdirSync(dest);
  // Only GNU time has the memory, and only bash has times to the millisecond.
  const timed = ['/usr/bin/time', '--quiet', '--format', '%M', '--output', memory, 'bash', TIMED, times];
  run([...timed, ...contender.command(dest)], { env: contender.env });
  const [user, system, begin, end] = numbers(times);
  const [peak] = numbers(memory);
  // `rm` is much faster than Node.js at this, and its time does not count.
  run(['rm', '-rf', dest]);
  // The disk must not be busy with the removal while the next contender runs.
  run(['sync', '--file-system', dir]);
  return { seconds: end! - begin!, userSeconds: user!, systemSeconds: system!, peakBytes: peak! * 1024 };
}

function numbers(file: string): number[] {
  return readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
}
