/** A requirement, and what this run measured. */
export interface Bar {
  readonly what: string;
  readonly input: string;
  readonly required: string;
  readonly measured: string;
  readonly met: boolean;
  /** Measured value against the limit: the bar is met up to 1. */
  readonly share: number;
  /** A sentence that says why the bar is not met. Undefined if it is met, or if the reason is not known. */
  readonly reason: string | undefined;
}

interface BarValue {
  readonly what: string;
  readonly input: string;
  readonly value: number;
  /** @default 2 */
  readonly digits?: number;
  /** Includes a space before it. @default × */
  readonly unit?: string;
  /** The reason if the bar is not met. */
  readonly reason?: string | undefined;
}

export function atLeast(least: number, value: BarValue): Bar {
  return bar('≥', least, value, { met: value.value >= least, share: least / value.value });
}

export function atMost(most: number, value: BarValue): Bar {
  return bar('≤', most, value, { met: value.value <= most, share: value.value / most });
}

export function below(end: number, value: BarValue): Bar {
  return bar('<', end, value, { met: value.value < end, share: value.value / end });
}

function bar(
  sign: string,
  limit: number,
  { what, input, value, digits = 2, unit = '×', reason }: BarValue,
  { met, share }: Pick<Bar, 'met' | 'share'>,
): Bar {
  const required = `${sign} ${limit}${unit}`;
  const measured = `${value.toFixed(digits)}${unit}`;
  return { what, input, required, measured, met, share, reason: met ? undefined : reason };
}
