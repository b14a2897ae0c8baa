/** What a process at work has said, before and after each thing that it does. */
export type Step =
  | 'preparing'
  | 'committing'
  | 'committed'
  | 'removing'
  | 'removed'
  | 'discarding'
  | 'discarded';

export interface Line {
  readonly step: Step;
  readonly name: string;
  /** Of the contents, where it is being committed. */
  readonly sum: string | undefined;
}

/** What a store has to hold up, whatever has happened. */
export interface Claims {
  /** Committed snapshots that have to be there. */
  readonly present: readonly string[];
  /** Those that must not. */
  readonly absent: readonly string[];
  /** All that may be there, with the checksums of their contents. */
  readonly sums: Readonly<Record<string, string>>;
}

export const NO_CLAIMS: Claims = { present: [], absent: [], sums: {} };

/** A line is written by one call, before what it announces or after what it reports: one that is cut off says nothing. */
export function parseJournal(text: string): Line[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).map((line) => {
    const [step, name, sum] = line.split(' ') as [Step, string, string | undefined];
    return { step, name, sum };
  });
}

/**
 * @param before what had been said before the world was cut off
 * @param after what had been said when it was over: the first thing of which nothing can be said
 */
export function claimsOf(before: readonly Line[], after: readonly Line[]): Claims {
  const named = (lines: readonly Line[], step: Step) =>
    lines.filter((line) => line.step === step).map(({ name }) => name);
  const perhapsGone = new Set(named(after, 'removing'));
  return {
    present: named(before, 'committed').filter((name) => !perhapsGone.has(name)),
    absent: named(before, 'removed'),
    sums: Object.fromEntries(after.flatMap(({ name, sum }) => (sum === undefined ? [] : [[name, sum]]))),
  };
}
