import {
  displayJson,
  displayPath,
  type ExploredFile,
  type ExploredImage,
  type FileVersion,
  OverlayerError,
  type PathChange,
} from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { FilesFlags } from '../flags/explore-flags.js';
import { BufferedOutput } from '../output.js';
import { changeMark } from '../render/file-changes.js';
import { formatBytes } from '../render/format.js';
import { modeText } from '../render/operation-text.js';
import { exploreArgument } from './explore.js';

/** Lists the files of an image, of one layer, or the history of a path. @returns the exit code */
export async function files(
  argument: string,
  paths: readonly string[],
  flags: FilesFlags,
  given: readonly string[],
): Promise<number> {
  try {
    const image = await exploreArgument(argument, flags, { given, signal: abortOnSignals() });
    const wanted = paths.map(cleanPath);
    if (flags.history !== undefined)
      await printRows(flags, 'versions', versionsOf(image, flags.history), versionRow);
    else if (flags.layer !== undefined)
      await printRows(flags, 'changes', choose(changesOf(image, flags.layer), wanted), changeRow);
    else await printRows(flags, 'files', choose(image.files(), wanted), fileRow);
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

/** Prints a long list: as text, or as one JSON document with a line for each item. */
async function printRows<T extends object>(
  { json }: FilesFlags,
  name: string,
  items: Iterable<T>,
  row: (item: T) => string,
): Promise<void> {
  const output = new BufferedOutput();
  let before = `{"${name}":[\n`;
  for (const item of items) {
    await output.write(json ? `${before}${displayJson(item)}` : row(item));
    before = ',\n';
  }
  if (json) await output.write(before === ',\n' ? '\n]}\n' : `${before}]}\n`);
  await output.flush();
}

/**
 * What is at the wanted paths or below them; without any path everything.
 * @throws OverlayerError `NotFound` for a path that has nothing, after all others
 */
function* choose<T extends { readonly path: string }>(
  items: Iterable<T>,
  wanted: readonly string[],
): Generator<T, void, void> {
  const missing = new Set(wanted);
  for (const item of items) {
    const found = wanted.filter(
      (each) => each === '' || item.path === each || item.path.startsWith(`${each}/`),
    );
    for (const each of found) missing.delete(each);
    if (wanted.length === 0 || found.length > 0) yield item;
  }
  for (const path of missing)
    throw new OverlayerError('NotFound', `There is no "${displayPath(path)}" here`, {
      hint: `--history ${displayPath(path)} tells whether a layer removed it`,
    });
}

function changesOf(image: ExploredImage, layer: number): readonly PathChange[] {
  const { length } = image.layers;
  if (layer < length) return image.changes(layer);
  throw new OverlayerError('InvalidArgument', `There is no layer ${layer}`, {
    hint: length === 1 ? 'the only layer is 0' : `the layers are 0 to ${length - 1}, the lowest first`,
  });
}

function versionsOf(image: ExploredImage, path: string): readonly FileVersion[] {
  const versions = image.history(cleanPath(path));
  if (versions.length > 0) return versions;
  throw new OverlayerError('NotFound', `No layer has "${displayPath(path)}"`, {
    hint: 'a path is relative to the root of the image; symlinks in it are not followed',
  });
}

/** Without the slashes and dots of the usual spellings: `/etc/`, `./etc`. */
function cleanPath(path: string): string {
  return path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .join('/');
}

/** Rows have fixed widths: they are printed before the longest is known. */
const COLUMNS = { owner: 11, size: 12, layer: 4 };

function fileRow({ path, type, mode, uid, gid, size, layer, linkPath, linkTo }: ExploredFile): string {
  const target =
    linkTo !== undefined
      ? ` link to ${displayPath(linkTo)}`
      : type === 'symlink'
        ? ` -> ${displayPath(linkPath)}`
        : '';
  const columns = [
    modeText(linkTo === undefined ? type : 'hardlink', mode),
    `${uid}:${gid}`.padStart(COLUMNS.owner),
    String(size).padStart(COLUMNS.size),
    String(layer).padStart(COLUMNS.layer),
  ].join(' ');
  return `${columns}  ${displayPath(path)}${target}\n`;
}

function changeRow(change: PathChange): string {
  const size = change.kind === 'removed' ? change.sizeBefore : change.sizeAfter;
  return `${changeMark(change)} ${String(size).padStart(COLUMNS.size)}  ${displayPath(change.path)}\n`;
}

function versionRow(version: FileVersion): string {
  const { layer, type, kind, sizeBefore, sizeAfter } = version;
  const size = kind === 'removed' ? sizeBefore : sizeAfter;
  return `layer ${String(layer).padStart(COLUMNS.layer)}  ${changeMark(version)}  ${type}${type === 'file' ? `, ${formatBytes(size)}` : ''}\n`;
}
