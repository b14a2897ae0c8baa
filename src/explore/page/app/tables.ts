import { button, colourByLayer, make, path, section, table } from './dom.js';
import { formatBytes, formatChange, formatCount, formatShare, shortCommand } from './format.js';
import { type Model, ROOT } from './model.js';

const DIRECTORIES = 30;

const WASTE = {
  replaced: 'written again',
  removed: 'removed later',
  duplicate: 'same content',
  'package-cache': 'package cache',
} as const;

const DIFFERENCES = {
  added: 'added',
  changed: 'changed',
  removed: 'removed',
  metadata: 'metadata only',
} as const;

/** The figures of the whole image. */
export function summary({ data: { image, layers } }: Model): HTMLElement {
  const compressed = layers.reduce((sum, { compressedSize }) => sum + compressedSize, 0);
  const figures: [string, string, string][] = [
    ['Image', formatBytes(image.size), `${formatCount(image.entries)} entries`],
    [
      'Layers',
      formatBytes(image.layerBytes),
      `${layers.length} layers, ${formatBytes(compressed)} compressed`,
    ],
    [
      'Wasted',
      formatBytes(image.wastedBytes),
      `${formatShare(image.wastedBytes, image.layerBytes)} of the layers' bytes`,
    ],
    ['Efficiency', formatShare(image.efficiency, 1), 'as dive counts it'],
  ];
  const list = make('dl', { class: 'figures' });
  for (const [term, value, more] of figures)
    list.append(
      make(
        'div',
        {},
        make('dt', {}, term),
        make('dd', {}, make('strong', {}, value), make('span', {}, more)),
      ),
    );
  return list;
}

/** @param showLayer lists the files of a layer */
export function layersSection({ data: { layers } }: Model, showLayer: (layer: number) => void): HTMLElement {
  const most = Math.max(1, ...layers.map(({ fileBytes }) => fileBytes));
  const element = table(
    'The lowest layer first. Hidden bytes are in no file of the image.',
    [
      { title: 'Layer' },
      { title: 'Command' },
      { title: 'Blob', number: true, wide: true },
      { title: 'Files', number: true },
      { title: 'Hidden', number: true },
      { title: 'Added', number: true, wide: true },
      { title: 'Changed', number: true, wide: true },
      { title: 'Removed', number: true, wide: true },
    ],
    [...layers.entries()],
    ([at, { command, compressedSize, fileBytes, hiddenBytes, added, changed, removed }]) => {
      const kept = colourByLayer(make('span', { class: 'kept' }), at);
      const hidden = make('span', { class: 'hidden-bytes' });
      kept.style.setProperty('width', `${((fileBytes - hiddenBytes) / most) * 100}%`);
      hidden.style.setProperty('width', `${(hiddenBytes / most) * 100}%`);
      const show = button(String(at), { class: 'chip', 'aria-label': `Files of layer ${at}` }, () =>
        showLayer(at),
      );
      return [
        colourByLayer(show, at),
        make(
          'div',
          {},
          make('code', { class: 'command' }, shortCommand(command) || 'no command'),
          make('div', { class: 'bar', 'aria-hidden': 'true' }, kept, hidden),
        ),
        formatBytes(compressedSize),
        formatBytes(fileBytes),
        formatBytes(hiddenBytes),
        ...[added, changed, removed].map(formatCount),
      ];
    },
  );
  return section('layers', 'Layers', element);
}

/** @param show opens a path in the table of files */
export function wasteSection(model: Model, show: (node: number) => void): HTMLElement {
  const { waste, layers } = model.data;
  if (waste.length === 0) return section('waste', 'Waste', make('p', {}, 'No waste was found.'));
  const element = table(
    'Bytes that a smaller image would not have. The largest first.',
    [
      { title: 'Path' },
      { title: 'Why' },
      { title: 'Bytes', number: true },
      { title: 'Files', number: true, wide: true },
    ],
    waste,
    ({ node, kind, copies, files, bytes, layers: holding, by }) => {
      const where = make('div', { class: 'where' }, 'in layer ');
      for (const layer of holding.slice(0, 8)) where.append(chip(layer), ' ');
      if (by !== null)
        where.append(
          kind === 'replaced' ? 'written again by layer ' : 'removed by layer ',
          chip(by),
          ' ',
          make('code', {}, shortCommand(layers[by]?.command ?? '').slice(0, 120)),
        );
      const shown = make('div', {}, linkTo(model, node, show), where);
      if (copies.length > 0) {
        const first = copies.slice(0, 20).map((copy) => make('li', {}, linkTo(model, copy, show)));
        shown.append(
          make(
            'details',
            {},
            make('summary', {}, `${formatCount(copies.length)} ${copies.length === 1 ? 'copy' : 'copies'}`),
            make('ul', { class: 'copies' }, ...first),
          ),
        );
      }
      return [shown, WASTE[kind], formatBytes(bytes), formatCount(files)];
    },
  );
  return section('waste', 'Waste', element);
}

/** @param enlarge shows a directory in the map */
export function directoriesSection(model: Model, enlarge: (node: number) => void): HTMLElement {
  const largest: number[] = [];
  for (let node = ROOT + 1; node < model.count; node++)
    if (model.isDirectory(node) && model.bytes[node]! > 0) largest.push(node);
  largest.sort((one, other) => model.bytes[other]! - model.bytes[one]!);
  const element = table(
    'Each with all that is below it.',
    [
      { title: 'Directory' },
      { title: 'Size', number: true },
      { title: 'Share', number: true },
      { title: 'Entries', number: true, wide: true },
    ],
    largest.slice(0, DIRECTORIES),
    (node) => [
      linkTo(model, node, enlarge),
      formatBytes(model.bytes[node]!),
      formatShare(model.bytes[node]!, model.bytes[ROOT]!),
      formatCount(model.entries[node]!),
    ],
  );
  return section('directories', 'Largest directories', element);
}

/** @param show opens a path in the table of files */
export function comparisonSection(model: Model, show: (node: number) => void): HTMLElement | undefined {
  const { comparison, image } = model.data;
  if (comparison === null) return undefined;
  const { differences } = model;
  const change = ({ before, after }: (typeof differences)[number]) => Math.abs(after - before);
  const sorted = differences.toSorted((one, other) => change(other) - change(one));
  const counts = Object.entries(DIFFERENCES).map(
    ([what, label]) =>
      `${formatCount(differences.filter((difference) => difference.what === what).length)} ${label}`,
  );
  const intro = make(
    'p',
    {},
    'Compared with ',
    path(comparison.name),
    ` (${formatBytes(comparison.size)}, ${formatCount(comparison.entries)} entries): ${formatChange(image.size - comparison.size)}. Paths: ${counts.join(', ')}.`,
  );
  const element = table(
    'Paths that the two images do not have alike. The largest difference first.',
    [
      { title: 'Path' },
      { title: 'What' },
      { title: 'Before', number: true, wide: true },
      { title: 'After', number: true, wide: true },
      { title: 'Difference', number: true },
    ],
    sorted,
    ({ node, what, before, after }) => [
      linkTo(model, node, show),
      make('span', { class: `what ${what}` }, DIFFERENCES[what]),
      formatBytes(before),
      formatBytes(after),
      formatChange(after - before),
    ],
  );
  return section('comparison', 'Comparison', intro, element);
}

function chip(layer: number): HTMLElement {
  return colourByLayer(make('span', { class: 'chip' }, String(layer)), layer);
}

function linkTo(model: Model, node: number, press: (node: number) => void): HTMLElement {
  return button(model.pathOf(node), { class: 'link path', dir: 'auto' }, () => press(node));
}
