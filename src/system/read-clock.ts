import { ExactDate } from '../base/exact-date.js';
import type { System } from './system.js';

/** What time it is, to the nanosecond. */
export function readClock(system: System): ExactDate {
  const { sec, nsec } = system.clock();
  return new ExactDate(sec, nsec);
}
