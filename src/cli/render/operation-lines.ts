import { displayPath, type Operation, type PlannedOperation } from '../../index.js';
import { formatBytes, formatMode } from './format.js';

/** One operation of a dry run, and a line for each of its anomalies. */
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
