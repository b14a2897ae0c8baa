import { filesize } from 'filesize';

/** Three digits in units of 1000: `116 kB`, `1.5 GB`. */
export function formatBytes(bytes: number): string {
  return filesize(Number(bytes.toPrecision(3)), { standard: 'si' });
}

/** `+116 kB`, `-1.5 GB`. */
export function signedBytes(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${formatBytes(Math.abs(bytes))}`;
}

/** `24,033`. Without Intl, whose first use costs milliseconds. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function counted(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** `0.42 s`, `12 s`, `3 min 20 s`, `2 h 05 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toPrecision(2)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

export function formatMode(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** ISO 8601 in UTC with the nanoseconds there are; an archive may give times that no calendar has. */
export function formatTime(seconds: number, nanoseconds: number): string {
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0')}`;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `@${seconds}${fraction}`;
  return `${date.toISOString().slice(0, -'.000Z'.length)}${fraction}Z`;
}

/** The time in UTC to the minute, for tables. */
export function formatMinute(date: Date): string {
  return date.toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ');
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
