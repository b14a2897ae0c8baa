import type { EventLoopDelay } from './engine/event-loop.js';
import type { SnapshotTimes } from './engine/snapshots.js';
import type { Removal } from './erofs/removal.js';
import type { RootReads } from './erofs/root-reads.js';
import type { CallTimes } from './image/daemon.js';
import type { InputSize } from './inputs.js';
import type { Machine } from './machine.js';
import type { Measurement, Sample } from './measure.js';
import type { SmallLayers } from './start/small-layers.js';
import { median } from './statistics.js';

/** All measurements of one topic. */
export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly inputs: InputSize[];
  readonly measurements: Measurement[];
  readonly smallLayers: SmallLayers[];
  readonly eventLoop: EventLoopDelay[];
  readonly snapshots: SnapshotTimes[];
  readonly calls: CallTimes[];
  readonly removals: Removal[];
  readonly reads: RootReads[];
}

export function emptyResults(machine: Machine, rounds: number): Results {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine,
    rounds,
    inputs: [],
    measurements: [],
    smallLayers: [],
    eventLoop: [],
    snapshots: [],
    calls: [],
    removals: [],
    reads: [],
  };
}

/** Undefined if it was not measured. */
export function samplesOf(
  { measurements }: Results,
  group: string,
  input: string,
  contender: string,
): readonly Sample[] | undefined {
  return measurements.find((one) => one.group === group && one.input === input && one.contender === contender)
    ?.samples;
}

export function secondsOf(...args: Parameters<typeof samplesOf>): number[] | undefined {
  return samplesOf(...args)?.map((sample) => sample.seconds);
}

/** The contender with the lowest median. Undefined if none of them was measured. */
export function fastestOf(
  results: Results,
  group: string,
  input: string,
  contenders: readonly string[],
): { readonly contender: string; readonly seconds: number[] } | undefined {
  return contenders
    .flatMap((contender) => {
      const seconds = secondsOf(results, group, input, contender);
      return seconds === undefined ? [] : [{ contender, seconds }];
    })
    .sort((a, b) => median(a.seconds) - median(b.seconds))
    .at(0);
}
