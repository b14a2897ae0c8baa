import { displayPath, type ExploredImage, formatPlatform, type PathChange, type Waste } from '../../index.js';
import { changesTable } from './file-changes.js';
import { counted, formatBytes, formatCount, signedBytes } from './format.js';
import { columns } from './list.js';
import { labelledRows } from './print.js';

/** Rows of the lists of waste and of directories. `--json` has all of them. */
const ROWS = 12;
/** Characters of a command in the table of layers. */
const COMMAND_WIDTH = 60;

/** Why bytes are waste, in words. */
export const WASTE_WORDS: Readonly<Record<Waste['kind'], string>> = {
  replaced: 'written again',
  removed: 'removed later',
  duplicate: 'same content',
  'package-cache': 'package cache',
};

/** A check of `--ci`. */
export interface Check {
  readonly name: 'efficiency' | 'wastedBytes' | 'size' | 'setuid';
  readonly limit: number;
  readonly actual: number;
  readonly passed: boolean;
}

/** What an image is made of. */
export function exploredText(image: ExploredImage): string {
  const waste = image.waste();
  return [
    headText(image),
    '\nLayers, the lowest first\n',
    layersText(image),
    '\nLargest directories\n',
    directoriesText(image),
    waste.length === 0 ? '' : `\nWhat could be smaller\n${wasteText(waste)}`,
    image.setuid.length === 0 ? '' : `\nFiles with setuid or setgid\n${listText(image.setuid)}`,
  ].join('');
}

function headText({ name, digest, platform, createdAt, ...image }: ExploredImage): string {
  const { entries, size, layers, layerBytes, wastedBytes, efficiency } = image;
  const compressed = layers.reduce((sum, { compressedSize }) => sum + compressedSize, 0);
  return labelledRows(name ?? digest ?? 'a layer', [
    ['platform', platform && formatPlatform(platform)],
    ['created', createdAt],
    ['files', `${formatBytes(size)} in ${counted(entries, 'entry', 'entries')}`],
    [
      'layers',
      `${formatBytes(layerBytes)} in ${formatCount(layers.length)}, ${formatBytes(compressed)} compressed`,
    ],
    ['wasted', `${formatBytes(wastedBytes)} (${percent(layerBytes === 0 ? 0 : wastedBytes / layerBytes)})`],
    ['efficiency', percent(efficiency)],
  ]);
}

function layersText({ layers }: ExploredImage): string {
  const rows = layers.map((layer, index) => [
    String(index),
    formatBytes(layer.compressedSize),
    formatBytes(layer.fileBytes),
    formatBytes(layer.hiddenBytes),
    ...[layer.added, layer.changed, layer.removed].map(formatCount),
    shortCommand(layer.command),
  ]);
  const head = ['LAYER', 'BLOB', 'FILES', 'HIDDEN', 'ADDED', 'CHANGED', 'REMOVED', 'COMMAND'];
  return columns(head, rows, { right: head.slice(1, -1) });
}

/** A command of the history without the shell that Docker puts before it. */
export function ownCommand(command = ''): string {
  return command.replace(/^\/bin\/sh -c (#\(nop\) )?/, '').trim();
}

/** A command on one line. */
function shortCommand(command: string | undefined): string {
  const text = ownCommand(command).replace(/\s+/g, ' ');
  return text.length > COMMAND_WIDTH ? `${text.slice(0, COMMAND_WIDTH - 1)}…` : text;
}

function directoriesText(image: ExploredImage): string {
  const largest = image
    .directories()
    .filter(({ path }) => path !== '')
    .sort((one, other) => other.bytes - one.bytes)
    .slice(0, ROWS);
  const rows = largest.map(({ path, bytes, entries }) => [
    formatBytes(bytes),
    formatCount(entries),
    `/${path}`,
  ]);
  return columns(['BYTES', 'ENTRIES', 'DIRECTORY'], rows, { right: ['BYTES', 'ENTRIES'] });
}

function wasteText(waste: readonly Waste[]): string {
  const rows = waste
    .slice(0, ROWS)
    .map(({ kind, path, files, bytes, layers, by }) => [
      formatBytes(bytes),
      formatCount(files),
      WASTE_WORDS[kind],
      layers.join(','),
      by === undefined ? '' : String(by),
      `/${path}`,
    ]);
  const more = waste.length - rows.length;
  const head = ['BYTES', 'FILES', 'WHY', 'LAYERS', 'BY', 'PATH'];
  const table = columns(head, rows, { right: ['BYTES', 'FILES'] });
  return more > 0 ? `${table}and ${formatCount(more)} more (--json prints all)\n` : table;
}

function listText(paths: readonly string[]): string {
  const shown = paths.slice(0, ROWS).map((path) => `  /${displayPath(path)}\n`);
  const more = paths.length - shown.length;
  return shown.join('') + (more > 0 ? `  and ${formatCount(more)} more (--json prints all)\n` : '');
}

/** '' without checks. */
export function checksText(checks: readonly Check[]): string {
  if (checks.length === 0) return '';
  const rows = checks.map(({ name, limit, actual, passed }) => {
    const text = (value: number) =>
      name === 'efficiency' ? percent(value) : name === 'setuid' ? formatCount(value) : formatBytes(value);
    const bound = name === 'efficiency' ? 'at least' : 'at most';
    return [passed ? 'passed' : 'FAILED', name, text(actual), `${bound} ${text(limit)}`];
  });
  return `\nChecks\n${columns(['', 'CHECK', 'IMAGE', 'WANTED'], rows)}`;
}

/** The paths that two images do not have alike, by the letters of `docker diff`. `M` stands for metadata. */
export function comparisonText(
  before: ExploredImage,
  after: ExploredImage,
  files: readonly PathChange[],
): string {
  const count = (matches: (file: PathChange) => boolean) => files.filter(matches).length;
  const added = count(({ kind }) => kind === 'added');
  const removed = count(({ kind }) => kind === 'removed');
  const metadata = count(({ metadataOnly }) => metadataOnly);
  const changed = files.length - added - removed - metadata;
  return `${changesTable(files)}${counted(added, 'entry', 'entries')} added, ${changed} changed, ${metadata} in metadata only, ${removed} removed: ${signedBytes(after.size - before.size)}\n`;
}

/** `98.7 %` */
export function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
