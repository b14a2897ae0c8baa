import { displayPath, type ExploredImage, formatPlatform } from '../../index.js';
import { ownCommand, percent, WASTE_WORDS } from '../render/explored.js';
import { counted, formatBytes, formatCount } from '../render/format.js';
import { type TreeNode, treeOfChanges, treeOfFiles } from './file-tree.js';

/** What the screen shows. All texts are as a terminal may show them. */
export interface ExplorerModel {
  readonly title: string;
  readonly facts: string;
  /** The merged tree, and then each layer, the lowest first. */
  readonly views: readonly View[];
  readonly waste: readonly WasteRow[];
  /** Reads a file of the merged tree. @returns its lines, or the reason why it can't be shown */
  read(path: string): Promise<readonly string[]>;
}

/** A row of the list of layers, and the tree beside it. */
export interface View {
  readonly label: string;
  readonly bytes: string;
  readonly summary: string;
  /** More about it, one line each. */
  readonly details: readonly string[];
  tree(): TreeNode;
}

export interface WasteRow {
  readonly bytes: string;
  readonly why: string;
  readonly path: string;
  readonly layers: string;
}

/** @param read gives the bytes of a file of the merged tree */
export function explorerModel(
  image: ExploredImage,
  read: (path: string) => AsyncIterable<Uint8Array>,
): ExplorerModel {
  const { name, digest, platform, entries, size, wastedBytes, efficiency } = image;
  return {
    title: [displayPath(name ?? digest ?? 'a layer'), platform && formatPlatform(platform)]
      .filter(Boolean)
      .join('  '),
    facts: `${formatBytes(size)} in ${counted(entries, 'entry', 'entries')}, wasted ${formatBytes(wastedBytes)}, efficiency ${percent(efficiency)}`,
    views: [imageView(image), ...image.layers.map((_, index) => layerView(image, index))],
    read: (path) => linesOf(read(path)),
    waste: image.waste().map(({ kind, path, bytes, layers, by }) => ({
      bytes: formatBytes(bytes),
      why: WASTE_WORDS[kind],
      path: `/${displayPath(path)}`,
      layers: by === undefined ? layers.join(',') : `${layers.join(',')} by ${by}`,
    })),
  };
}

/** So much of a file is shown. */
const MAX_BYTES = 256 * 1024;
const BYTES_OF_A_LINE = 16;

async function linesOf(bytes: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of bytes) {
      chunks.push(Buffer.from(chunk));
      length += chunk.length;
      if (length > MAX_BYTES) break;
    }
  } catch (error) {
    return [displayPath(error instanceof Error ? error.message : String(error))];
  }
  const shown = Buffer.concat(chunks).subarray(0, MAX_BYTES);
  const lines = shown.includes(0)
    ? Array.from({ length: Math.ceil(shown.length / BYTES_OF_A_LINE) }, (_, line) => hexLine(shown, line))
    : shown
        .toString('utf8')
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => displayPath(line.replace(/\t/g, '    ')));
  return length > MAX_BYTES ? [...lines, `… (the first ${formatBytes(MAX_BYTES)})`] : lines;
}

/** `00000010  7f 45 4c 46 …  .ELF…` */
function hexLine(bytes: Buffer, line: number): string {
  const at = line * BYTES_OF_A_LINE;
  const part = bytes.subarray(at, at + BYTES_OF_A_LINE);
  const hex = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const text = [...part]
    .map((byte) => (byte < 0x20 || byte > 0x7e ? '.' : String.fromCharCode(byte)))
    .join('');
  return `${at.toString(16).padStart(8, '0')}  ${hex.padEnd(BYTES_OF_A_LINE * 3 - 1)}  ${text}`;
}

function imageView(image: ExploredImage): View {
  const { size, layers, layerBytes, digest, createdAt, setuid } = image;
  return {
    label: 'image',
    bytes: formatBytes(size),
    summary: 'all layers, merged',
    details: [
      `${formatBytes(layerBytes)} in ${counted(layers.length, 'layer', 'layers')}`,
      `${counted(setuid.length, 'file', 'files')} with setuid or setgid`,
      ...(createdAt === undefined ? [] : [`created ${displayPath(createdAt)}`]),
      ...(digest === undefined ? [] : [digest]),
    ],
    tree: once(() => treeOfFiles(image.files())),
  };
}

function layerView(image: ExploredImage, index: number): View {
  const { fileBytes, hiddenBytes, compressedSize, added, changed, removed, command, digest } =
    image.layers[index]!;
  const text = displayPath(ownCommand(command));
  return {
    label: String(index),
    bytes: formatBytes(fileBytes),
    summary: text,
    details: [
      `${formatBytes(compressedSize)} compressed, ${formatBytes(hiddenBytes)} hidden by later layers`,
      `${formatCount(added)} added, ${formatCount(changed)} changed, ${formatCount(removed)} removed`,
      digest,
      text,
    ],
    tree: once(() => treeOfChanges(image.changes(index))),
  };
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
