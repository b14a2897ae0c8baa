import { DEFAULT_LIMITS, type Limits } from '../index.js';

/** Those that were given, of all flags as commander gives them. */
export function limitsOf(flags: Partial<Limits>): Partial<Limits> {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => name in DEFAULT_LIMITS));
}
