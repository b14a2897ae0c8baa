import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
    for (const [index, contender] of contenders.entries())
      samples[index]!.push(measureOnce(contender, where.dir));
  return contenders.map(({ name, limit = false }, index) => {
    const measurement = {
      group: where.group,
      input: where.input,
      contender: name,
      limit,
      samples: samples[index]!,
    };
    const seconds = median(measurement.samples.map((sample) => sample.seconds));
    console.error(
      `${where.group.padEnd(8)} ${where.input.padEnd(13)} ${name.padEnd(28)} ${seconds.toFixed(3)} s`,
    );
    return measurement;
  });
}

function measureOnce(contender: Contender, dir: string): Sample {
  const dest = join(dir, 'dest');
  const report = join(dir, 'time');
  contender.before?.();
  mkdirSync(dest);
  const command = ['/usr/bin/time', '--format', '%U %S %M', '--output', report, ...contender.command(dest)];
  const start = process.hrtime.bigint();
  run(command, { env: contender.env });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const [user, system, peak] = readFileSync(report, 'utf8').trim().split(' ').map(Number);
  // `rm` is much faster than Node at this, and nobody waits for it in the timed part.
  run(['rm', '-rf', dest]);
  // Or the next contender's disk would be busy with that.
  run(['sync', '--file-system', dir]);
  return { seconds, userSeconds: user!, systemSeconds: system!, peakBytes: peak! * 1024 };
}
