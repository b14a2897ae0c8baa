import type { WorkBudget } from '../base/work-budget.js';
import type { DirectoryEntry, System } from './system.js';

/** Calls without a charge: they do no work in the kernel, or release resources and must not fail. */
const FREE: readonly (keyof System)[] = ['address', 'close', 'clearThreadUmask', 'descriptorLimit'];

/** Charges all calls of a system to a budget, and each name that `list` returns. */
export function meterSystem(system: System, budget: Pick<WorkBudget, 'charge' | 'look'>): System {
  type Call = (a: unknown, b: unknown, c: unknown, d: unknown, e: unknown) => unknown;
  const metered = { ...system };
  for (const [name, call] of Object.entries(system) as [keyof System, Call][]) {
    if (FREE.includes(name)) continue;
    const charged: Call = (a, b, c, d, e) => {
      budget.charge();
      return call(a, b, c, d, e);
    };
    Object.assign(metered, { [name]: charged });
  }
  metered.list = (descriptor, options): DirectoryEntry[] => {
    budget.charge();
    return system.list(descriptor, { ...options, onNames: (names) => budget.charge(names) });
  };
  metered.copyRange = (...args) => {
    budget.charge();
    budget.look();
    return system.copyRange(...args);
  };
  return metered;
}
