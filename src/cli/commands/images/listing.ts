import {
  formatPlatform,
  type Image,
  type ImageHealth,
  type ListedImage,
  type ListOptions,
  OverlayerError,
  readImages,
  type Store,
} from '../../../index.js';
import { exitCode } from '../../exit-code.js';
import { reportFailure } from '../../failure.js';
import type { InspectStoredFlags } from '../../flags/image-flags.js';
import type { ListFlags, StoreFlags } from '../../flags/store-flags.js';
import { platformOf } from '../../options.js';
import { formatBytes, formatCount, formatMinute } from '../../render/format.js';
import { contentsDocument, imageDocument, imageText } from '../../render/image.js';
import { columns, formatTemplate, printList, SHORT_DIGEST } from '../../render/list.js';
import { printResult } from '../../render/print.js';
import { standardOutput } from '../../standard-streams.js';
import { existingImages, withExistingStore } from '../../with-root.js';
import { checkFilters } from '../check-filters.js';

const FIELDS = { name: 'any', 'target.digest': 'any', 'target.mediatype': 'any', labels: 'labels' } as const;

export async function ls(flags: ListFlags): Promise<number> {
  // Only a store that is opened has a backend, which the option must name.
  if (flags.backend !== undefined)
    return await withExistingStore(flags, ({ images }) =>
      printImages(flags, (options) => images.list(options)),
    );
  try {
    await printImages(flags, (options) => readImages(existingImages(flags), options));
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

async function printImages(
  flags: ListFlags,
  list: (options: ListOptions) => Promise<readonly ListedImage[]>,
): Promise<void> {
  checkFilters(flags.filter, FIELDS);
  refuseShortName(flags.filter);
  printList(flags, await list({ filters: flags.filter }), {
    head: ['NAME', 'DIGEST', 'PLATFORM', 'UPDATED'],
    row: ({ name, target, platform, updatedAt }) => [
      name,
      target.digest.slice(0, SHORT_DIGEST),
      formatPlatform(platform),
      formatMinute(updatedAt),
    ],
    key: ({ name }) => name,
    document: imageDocument,
  });
}

/** Images are stored by their complete names, which a filter compares with. @throws OverlayerError `InvalidArgument` */
function refuseShortName(filters: readonly string[] = []): void {
  for (const filter of filters) {
    const [, name] = /^\s*name\s*==\s*"?([\w.:-]+)"?\s*$/.exec(filter) ?? [];
    if (name === undefined || name.startsWith('sha256:')) continue;
    throw new OverlayerError('InvalidArgument', `Field "name" is never "${name}"`, {
      hint: `a complete name is such as docker.io/library/${name.includes(':') ? name : `${name}:latest`}`,
    });
  }
}

export async function tree(flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const documents: object[] = [];
    const rows: (readonly string[])[] = [];
    for (const image of await store.images.list()) {
      const { descriptor, manifest, layers, config } = await image.contents();
      documents.push({ ...imageDocument(image), manifest: descriptor, config: manifest.config, layers });
      rows.push([image.name, '', '']);
      rows.push([
        ` \\_ manifest ${formatPlatform(config.platform)}`,
        descriptor.digest,
        formatBytes(descriptor.size),
      ]);
      const parts = [
        ['config', manifest.config] as const,
        ...layers.map((layer) => ['layer', layer.descriptor] as const),
      ];
      for (const [what, { digest, size }] of parts) rows.push([`   \\_ ${what}`, digest, formatBytes(size)]);
    }
    printResult(flags, documents, columns(['IMAGE', 'DIGEST', 'SIZE'], rows, { right: ['SIZE'] }));
  });
}

export async function inspect(name: string, flags: InspectStoredFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const image = await store.images.get(name);
    const contents = await image.contents({ platform: platformOf(flags) });
    const document = { ...imageDocument(image), ...contentsDocument(contents) };
    if (flags.format !== undefined)
      standardOutput.write(`${formatTemplate(flags.format, () => document)(image)}\n`);
    else
      printResult(
        flags,
        document,
        imageText({ ...contents, name: image.name, target: image.target, labels: image.labels }),
      );
  });
}

export async function usage(names: readonly string[], flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const usages: { name: string; contentBytes: number; snapshotBytes: number; inodes: number }[] = [];
    for (const image of await chosen(store, names)) {
      const { contentBytes, snapshots } = await image.usage();
      usages.push({
        name: image.name,
        contentBytes,
        snapshotBytes: snapshots.bytes,
        inodes: snapshots.inodes,
      });
    }
    const rows = usages.map(({ name, contentBytes, snapshotBytes, inodes }) => [
      name,
      formatBytes(contentBytes),
      formatBytes(snapshotBytes),
      formatCount(inodes),
    ]);
    const right = ['BLOBS', 'SNAPSHOTS', 'INODES'];
    printResult(flags, usages, columns(['NAME', ...right], rows, { right }));
  });
}

/** @returns the exit code: `DataLoss` when layers are missing */
export async function check(names: readonly string[], flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const found: ({ readonly name: string } & ImageHealth)[] = [];
    for (const image of await chosen(store, names))
      found.push({ name: image.name, ...(await image.check()) });
    const rows = found.map(({ name, blobs, layers }) => [
      name,
      blobs.present === blobs.total ? 'complete' : 'incomplete',
      `${blobs.present}/${blobs.total}`,
      `${formatBytes(blobs.bytes)}/${formatBytes(blobs.totalBytes)}`,
      `${layers.present}/${layers.total}`,
    ]);
    printResult(flags, found, columns(['NAME', 'STATUS', 'BLOBS', 'SIZE', 'UNPACKED'], rows));
    return found.every(({ layers }) => layers.present === layers.total) ? 0 : exitCode('DataLoss');
  });
}

async function chosen({ images }: Store, names: readonly string[]): Promise<readonly Image[]> {
  if (names.length === 0) return await images.list();
  const found: Image[] = [];
  for (const name of names) found.push(await images.get(name));
  return found;
}
