import type { System, Times } from '../system/system.js';

/** Gives an open directory the times that it had, where writing into it or reading it has changed them. */
export function restoreTimes(system: System, descriptor: number, times: Times): void {
  const now = system.stat(descriptor);
  const isSame =
    now.mtimeSec === times.mtimeSec &&
    now.mtimeNsec === times.mtimeNsec &&
    now.atimeSec === times.atimeSec &&
    now.atimeNsec === times.atimeNsec;
  if (!isSame) system.setTimes(descriptor, times);
}
