import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1e3,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1e6,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1e9,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1e12,
};

/** Bytes: a number and perhaps a unit. As in GNU tools M and MiB are 1024², MB is 1000². */
export function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError('It should be a size such as 4096, 10M or 2GiB.');
  return bytes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It should be a whole number above 0.');
  return count;
}

/** Seconds since 1970. */
export function parseEpoch(text: string): Date {
  const time = new Date(Number(text) * 1000);
  if (!/^\d+$/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('It should be a number of seconds since 1970.');
  return time;
}

/** For an option that may be repeated. */
export function collect(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, text];
}

/** `NAME=VALUE`; for an option that may be repeated. */
export function parseLabels(
  text: string,
  previous: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It should be a label such as name=value.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
