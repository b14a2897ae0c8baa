import { displayJson, displayPath, type LogEntry } from '../../index.js';

/** One line: JSON, or time, level and message with `name=value` of each field. */
export function logLine({ time, level, message, fields }: LogEntry, form: 'text' | 'json'): string {
  if (form === 'json') return `${displayJson({ time, level, message, ...fields })}\n`;
  const words = Object.entries(fields).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return `${[time.toISOString(), level.padEnd(5), message, ...words].join(' ')}\n`;
}

/** Keys and errors are the callers' words: no line end or escape of theirs reaches a terminal. */
function quoted(value: string): string {
  const shown = displayPath(value);
  return /[\s"=]/.test(shown) ? JSON.stringify(shown) : shown;
}
