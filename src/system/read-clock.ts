import { ExactDate } from '../base/exact-date.js';
import type { System } from './system.js';

/** The current time in nanoseconds. */
export function readClock(system: System): ExactDate {
  const { sec, nsec } = system.clock();
  return new ExactDate(sec, nsec);
}
