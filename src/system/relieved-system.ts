import { isErrno, type System } from './system.js';

/** A system that opens something once more after `relieve`, which closes what can be closed, when too much is open. */
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
