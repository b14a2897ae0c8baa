/** What is asked for, and what this run saw. */
export interface Bar {
  readonly what: string;
  readonly input: string;
  readonly required: string;
  readonly measured: string;
  readonly met: boolean;
}

interface BarValue {
  readonly what: string;
  readonly input: string;
  readonly value: number;
  /** @default 2 */
  readonly digits?: number;
  /** With its space. @default × */
  readonly unit?: string;
}

export function atLeast(least: number, { what, input, value, digits = 2, unit = '×' }: BarValue): Bar {
  const measured = `${value.toFixed(digits)}${unit}`;
  return { what, input, required: `≥ ${least}${unit}`, measured, met: value >= least };
}

export function atMost(most: number, { what, input, value, digits = 2, unit = '×' }: BarValue): Bar {
  const measured = `${value.toFixed(digits)}${unit}`;
  return { what, input, required: `≤ ${most}${unit}`, measured, met: value <= most };
}

export function below(end: number, { what, input, value, digits = 2, unit = '×' }: BarValue): Bar {
  const measured = `${value.toFixed(digits)}${unit}`;
  return { what, input, required: `< ${end}${unit}`, measured, met: value < end };
}
