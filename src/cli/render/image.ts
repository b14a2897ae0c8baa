import {
  type AnomalySummary,
  formatPlatform,
  type Image,
  type ImageContents,
  type InspectedImage,
  type Labels,
  type ListedImage,
  type PullEvent,
  type UnpackedImage,
} from '../../index.js';
import { counted, formatBytes, formatCount, formatSeconds } from './format.js';
import { anomalyNotes } from './layer-summary.js';
import { type LabelledRow, labelledRows } from './print.js';

/** An image as the fields of a JSON document. */
export function imageDocument({ name, target, platform, labels, createdAt, updatedAt }: ListedImage): object {
  return { name, target, platform: formatPlatform(platform), labels, createdAt, updatedAt };
}

/** The contents of an image as the fields of a JSON document, without the text that the config was read from. */
export function contentsDocument<Contents extends ImageContents>({ config, ...contents }: Contents): object {
  const { text: _, ...read } = config;
  return { ...contents, config: read };
}

/** @param labels those of the image's record in a store */
export function imageText(image: InspectedImage & { readonly labels?: Labels }): string {
  const { name, target, labels: storeLabels = {}, descriptor, manifest, config, layers } = image;
  const { user, env, entrypoint, cmd, workingDir, labels, volumes, exposedPorts, stopSignal } =
    config.process;
  const size = layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
  return labelledRows(name ?? target.digest, [
    ['target', target.digest],
    ['manifest', descriptor.digest],
    ['config', manifest.config.digest],
    ['platform', formatPlatform(config.platform)],
    ['created', config.createdAt ?? 'unknown'],
    ['author', config.author],
    ['size', `${formatBytes(size)} in ${counted(layers.length, 'layer', 'layers')}`],
    ['entrypoint', wordsText(entrypoint)],
    ['cmd', wordsText(cmd)],
    ['user', user === '' ? 'root' : user],
    ['directory', workingDir === '' ? '/' : workingDir],
    ['stopsignal', stopSignal],
    ['ports', exposedPorts.length === 0 ? undefined : exposedPorts.join(', ')],
    ...volumes.map((path) => ['volume', path] as const),
    ...env.map((variable) => ['env', variable] as const),
    ...labelRows('label', labels),
    ...labelRows('store label', storeLabels),
    ...(config.unread ?? []).map(
      ({ field, reason }) => ['note', `${field} was not read: ${reason}`] as const,
    ),
    ...layers.flatMap(({ descriptor, chainID }): LabelledRow[] => [
      ['layer', descriptor.digest],
      ['size', formatBytes(descriptor.size)],
      ['chainID', chainID],
    ]),
  ]);
}

function wordsText(words: readonly string[]): string {
  return words.length === 0 ? 'none' : words.map((word) => JSON.stringify(word)).join(' ');
}

function labelRows(what: string, labels: Labels): readonly LabelledRow[] {
  return Object.entries(labels).map(([name, value]) => [what, `${name}=${value}`]);
}

/** An image that was unpacked into a directory. */
export function unpackedImageSummary(heading: string, { platform, layers }: UnpackedImage): string {
  const sum = (of: (layer: UnpackedImage['layers'][number]) => number) =>
    layers.reduce((total, layer) => total + of(layer), 0);
  const size = sum((layer) => layer.size);
  const compressedSize = sum((layer) => layer.compressedSize);
  const entries = sum((layer) => layer.entries);
  return labelledRows(heading, [
    ['platform', formatPlatform(platform)],
    ['layers', formatCount(layers.length)],
    ['size', `${formatBytes(size)} (${formatBytes(compressedSize)} compressed)`],
    ['entries', formatCount(entries)],
    ...anomalyNotes(layers.flatMap(({ anomalies }) => anomalies)),
  ]);
}

interface Tally {
  layers: number;
  present: number;
  compressedSize: number;
  size: number;
  entries: number;
  readonly anomalies: AnomalySummary[];
}

/** Sums up the layers of a pull or an import, by the names of the images. */
export class PullTally {
  readonly #images = new Map<string, Tally>();
  #current: Tally = emptyTally();

  add(event: PullEvent): void {
    switch (event.type) {
      case 'plan':
        this.#current = { ...emptyTally(), layers: event.layers.length };
        this.#images.set(event.name, this.#current);
        return;
      case 'skip':
        this.#current.present += 1;
        return;
      case 'commit':
        this.#current.compressedSize += event.layer.compressedSize;
        this.#current.size += event.layer.size;
        this.#current.entries += event.layer.entries;
        this.#current.anomalies.push(...event.layer.anomalies);
        return;
      case 'pass-over':
      case 'progress':
      case 'wait':
      case 'warning':
        return;
      default:
        event satisfies never;
    }
  }

  /** `Pulled NAME in 2.1 s`, and below it what the image consists of. */
  summary(verb: string, { name, target, platform }: Image, seconds: number): string {
    const { layers, present, compressedSize, size, entries, anomalies } =
      this.#images.get(name) ?? emptyTally();
    const presentLayers = present === 0 ? '' : ` (${formatCount(present)} already there)`;
    const unpacked: LabelledRow = [
      'unpacked',
      `${formatBytes(size)} (${formatBytes(compressedSize)} compressed), ${counted(entries, 'entry', 'entries')}`,
    ];
    return labelledRows(`${verb} ${name} in ${formatSeconds(seconds)}`, [
      ['digest', target.digest],
      ['platform', formatPlatform(platform)],
      ['layers', `${formatCount(layers)}${presentLayers}`],
      ...(present < layers ? [unpacked] : []),
      ...anomalyNotes(anomalies),
    ]);
  }
}

function emptyTally(): Tally {
  return { layers: 0, present: 0, compressedSize: 0, size: 0, entries: 0, anomalies: [] };
}
