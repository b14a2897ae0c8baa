import { isErrno, type System } from './system.js';

/**
 * A system that retries an open after too many open files. `relieve` closes idle descriptors before. Each file of a layer is
 * opened, so an open makes no array of its arguments and no closure.
 */
export function relieveSystem(system: System, relieve: () => void): System {
  /** @throws any other error */
  const relieveAfter = (error: unknown): void => {
    if (!isErrno(error, 'EMFILE', 'ENFILE')) throw error;
    relieve();
  };
  return {
    ...system,
    openAt(directory, name, flags, mode) {
      try {
        return system.openAt(directory, name, flags, mode);
      } catch (error) {
        relieveAfter(error);
        return system.openAt(directory, name, flags, mode);
      }
    },
    openInRoot(directory, path, flags, symlinks) {
      try {
        return system.openInRoot(directory, path, flags, symlinks);
      } catch (error) {
        relieveAfter(error);
        return system.openInRoot(directory, path, flags, symlinks);
      }
    },
  };
}
