import {
  displayPath,
  type EntryType,
  type Operation,
  type PlannedOperation,
  type TarEntry,
} from '../../index.js';
import { formatBytes, formatMode, formatTime } from './format.js';

/** Fixed widths: rows are printed as they come, before the longest is known. */
const COLUMNS = { mode: 10, owner: 11, size: 9, time: 16 };

export const LISTING_HEADER = `${row('MODE', 'OWNER', 'SIZE', 'MODIFIED (UTC)')}NAME\n`;

/** One entry of a layer in the form of `ls -l`, with names as the archive spells them. */
export function listingRow({ operation, anomalies }: PlannedOperation): string {
  const { entry } = operation;
  const time = formatTime(entry.mtimeSec, 0).slice(0, COLUMNS.time).replace('T', ' ');
  const columns = row(modeColumn(operation), `${entry.uid}:${entry.gid}`, sizeColumn(entry), time);
  const kinds = anomalies.map(({ kind }) => kind).join(', ');
  return `${columns}${displayPath(entry.path)}${target(entry)}${kinds && `  [${kinds}]`}\n`;
}

function row(mode: string, owner: string, size: string, time: string): string {
  return `${mode.padEnd(COLUMNS.mode)} ${owner.padStart(COLUMNS.owner)} ${size.padStart(COLUMNS.size)}  ${time.padEnd(COLUMNS.time)}  `;
}

const TYPE_LETTERS: Readonly<Record<EntryType, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  // GNU tar's form.
  hardlink: 'h',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
};

function modeColumn({ op, entry: { type, mode } }: Operation): string {
  return op === 'whiteout' || op === 'opaque' ? op : modeText(type, mode);
}

/** The type and the permissions of an entry, as `ls -l` shows them. */
export function modeText(type: EntryType, mode: number): string {
  const triad = (shift: number, special: number, letter: string): string => {
    const bits = mode >> shift;
    const execute = bits & 1 ? 'x' : '-';
    const last = mode & special ? (bits & 1 ? letter : letter.toUpperCase()) : execute;
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  return `${TYPE_LETTERS[type]}${triad(6, 0o4000, 's')}${triad(3, 0o2000, 's')}${triad(0, 0o1000, 't')}`;
}

function sizeColumn({ type, size, devMajor, devMinor }: TarEntry): string {
  if (type === 'character-device' || type === 'block-device') return `${devMajor}, ${devMinor}`;
  return type === 'file' ? formatBytes(size) : '-';
}

function target({ type, linkPath }: TarEntry): string {
  if (type === 'symlink') return ` -> ${displayPath(linkPath)}`;
  return type === 'hardlink' ? ` link to ${displayPath(linkPath)}` : '';
}

/** One operation of a dry run, and below it a line for each anomaly. */
export function operationLines({ operation, anomalies }: PlannedOperation): string {
  const notes = anomalies.map(
    ({ kind, detail }) => `  ! ${kind}${detail === undefined ? '' : `: ${displayPath(detail)}`}\n`,
  );
  return `${operation.op.padEnd(16)}  ${displayPath(operation.path || '.')}${details(operation)}\n${notes.join('')}`;
}

function details(operation: Operation): string {
  const { entry } = operation;
  const attributes = `${formatMode(entry.mode)} ${entry.uid}:${entry.gid}`;
  switch (operation.op) {
    case 'file':
      return ` (${attributes}, ${formatBytes(entry.size)})`;
    case 'symlink':
      return ` -> ${displayPath(entry.linkPath)}`;
    case 'hardlink':
      return ` = ${displayPath(operation.linkPath)}`;
    case 'character-device':
    case 'block-device':
      return ` (${attributes}, ${entry.devMajor}, ${entry.devMinor})`;
    case 'directory':
    case 'fifo':
      return ` (${attributes})`;
    case 'whiteout':
    case 'opaque':
      return '';
  }
}
