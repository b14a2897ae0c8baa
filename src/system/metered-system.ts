import type { WorkBudget } from '../base/work-budget.js';
import type { DirectoryEntry, System } from './system.js';

/** What is free: no work of the kernel's, or the end of what was paid for, which may not fail. */
const FREE: readonly (keyof System)[] = ['address', 'close', 'clearThreadUmask', 'descriptorLimit'];

/** A system whose calls are charged to a budget, each name that it lists too: no loop of calls goes uncounted. */
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
  metered.list = (descriptor): DirectoryEntry[] => {
    const entries = system.list(descriptor);
    budget.charge(1 + entries.length);
    return entries;
  };
  metered.copyRange = (...args) => {
    budget.charge();
    budget.look();
    return system.copyRange(...args);
  };
  return metered;
}
