import { type System, SystemError } from '../../src/system/system.js';

/** One call that the kernel refuses. */
export interface Fault {
  readonly method: keyof System;
  /** Counted from 1, over all calls of that method. */
  readonly call: number;
  readonly errno: string;
}

/** Calls that say nothing about the file system. */
const NEVER_REFUSED: readonly (keyof System)[] = ['address', 'clearThreadUmask', 'descriptorLimit'];

/** The real system, with a count of its calls and perhaps one that fails. */
export class FaultySystem {
  readonly calls = new Map<keyof System, number>();
  readonly system: System;

  constructor(real: System, fault?: Fault) {
    this.system = new Proxy(real, {
      get: (target, name: keyof System) => {
        const method = target[name] as (...args: unknown[]) => unknown;
        if (NEVER_REFUSED.includes(name)) return method;
        return (...args: unknown[]) => {
          const call = (this.calls.get(name) ?? 0) + 1;
          this.calls.set(name, call);
          const fails = fault?.method === name && fault.call === call;
          // close(2) lets the descriptor go, whatever it reports.
          if (fails && name === 'close') method(...args);
          if (fails) throw new SystemError(fault.errno, name, '');
          return method(...args);
        };
      },
    });
  }
}
