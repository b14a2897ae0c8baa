import { isErrno, type System } from './system.js';

/** A system that retries an open after too many open files. `relieve` closes idle descriptors before. */
export function relieveSystem(system: System, relieve: () => void): System {
  const again = (open: () => number): number => {
    try {
      return open();
    } catch (error) {
      if (!isErrno(error, 'EMFILE', 'ENFILE')) throw error;
      relieve();
      return open();
    }
  };
  return {
    ...system,
    openAt: (...args) => again(() => system.openAt(...args)),
    openInRoot: (...args) => again(() => system.openInRoot(...args)),
  };
}
