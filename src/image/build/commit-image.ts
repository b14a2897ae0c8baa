import { join } from 'node:path';
import { checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { ifFound } from '../../base/if-found.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Labels } from '../../metadata/labels.js';
import { parseDescriptor } from '../../oci/descriptor.js';
import { hostPlatform, type Platform, parsePlatform } from '../../oci/platform.js';
import type { SnapshotInfo, Snapshotter } from '../../snapshot/snapshotter.js';
import { type ImageContents, readContents } from '../source/image-contents.js';
import { MOUNTED_MANIFEST_LABEL, PLATFORM_LABEL } from '../store/image-labels.js';
import type { ImageRecord } from '../store/image-records.js';
import { findMounted } from '../store/mount-image.js';
import type { Images } from '../store/store.js';
import type { StoreParts } from '../store/store-parts.js';
import { type BuildCall, buildImage } from './build-image.js';
import type { CommitImageOptions } from './options.js';

/** See `Store.commit`. */
export async function commitImage(
  parts: StoreParts,
  images: Images,
  target: string,
  call: BuildCall<CommitImageOptions>,
): Promise<ImageRecord> {
  checkPath('target', target);
  const snapshot = await findActive(parts.snapshots, target);
  const base = await findBase(parts.content, images, snapshot, call.options);
  const request = { ...call, base, command: 'overlayer commit' };
  const below = base?.layers ?? [];
  return await buildImage(parts, request, async ({ make, entry }) => ({
    layers: [...below, await make(below, { snapshot: snapshot.name })],
    appended: [entry()],
  }));
}

/** @throws OverlayerError `NotFound`; `FailedPrecondition`: nothing can be written to the snapshot */
async function findActive(snapshots: Snapshotter, target: string): Promise<SnapshotInfo> {
  const found =
    (await snapshots.find(target)) ??
    (await findMounted(snapshots, target)).at(-1) ??
    // The directory of a bundle.
    (await findMounted(snapshots, join(target, 'rootfs'))).at(-1);
  if (found === undefined)
    throw new OverlayerError(
      'NotFound',
      `Cannot commit "${target}": no snapshot has this key, and no image is mounted there`,
      {
        hint: 'overlayer mount --rw mounts an image; overlayer snapshots ls shows the keys',
      },
    );
  if (found.kind === 'active') return found;
  const why =
    found.kind === 'view' ? 'it is mounted read-only' : 'it is a committed snapshot, which never changes';
  throw new OverlayerError('FailedPrecondition', `Cannot commit "${target}": ${why}`, {
    hint: found.kind === 'view' ? 'mount the image with --rw' : 'overlayer append makes an image of layers',
  });
}

/**
 * The image that the snapshot was made of: the one of the options, the one that was mounted, or the only one with these
 * layers.
 *
 * @returns undefined for a snapshot without a parent
 * @throws OverlayerError `NotFound`, `FailedPrecondition`
 */
async function findBase(
  content: ContentStore,
  images: Images,
  { name, parent, labels }: SnapshotInfo,
  { base, platform: given }: Pick<CommitImageOptions, 'base' | 'platform'>,
): Promise<ImageContents | undefined> {
  const labelled = labels[PLATFORM_LABEL];
  const platform = given ?? (labelled === undefined ? undefined : parsePlatform(labelled));
  const fits = ({ layers }: ImageContents) => layers.at(-1)?.chainID === parent;
  if (base !== undefined) {
    const contents = await (await images.get(base)).contents({ platform });
    if (fits(contents)) return contents;
    throw new OverlayerError('FailedPrecondition', `Snapshot "${name}" was not made of image "${base}"`, {
      hint: `its parent is ${parent === undefined ? 'none' : `snapshot ${parent}`}; choose the image with this chainID`,
    });
  }
  const mounted = await readMounted(content, labels, platform);
  if (mounted !== undefined) return mounted;
  if (parent === undefined) return undefined;
  const found = new Map<string, { readonly name: string; readonly contents: ImageContents }>();
  for (const image of await images.list()) {
    const contents = await ifFound(image.contents({ platform }));
    if (contents === undefined || !fits(contents)) continue;
    found.set(contents.descriptor.digest, { name: image.name, contents });
  }
  const [first, ...others] = found.values();
  if (first === undefined)
    throw new OverlayerError(
      'NotFound',
      `No image has the layers that snapshot "${name}" was made of: ${parent}`,
      {
        hint: 'pull the image again, or name the base: overlayer commit --base IMAGE',
      },
    );
  if (others.length === 0) return first.contents;
  const names = [first, ...others].map((each) => each.name).join(', ');
  throw new OverlayerError(
    'FailedPrecondition',
    `Several images have the layers that snapshot "${name}" was made of`,
    {
      hint: `name the base: overlayer commit --base IMAGE, one of ${names}`,
    },
  );
}

/** The image that was mounted, also if its name was given to another image since. */
async function readMounted(
  content: ContentStore,
  labels: Labels,
  platform: Platform | undefined,
): Promise<ImageContents | undefined> {
  const label = labels[MOUNTED_MANIFEST_LABEL];
  if (label === undefined) return undefined;
  const target = parseDescriptor(JSON.parse(label));
  return await ifFound(readContents(content, { name: target.digest, target }, platform ?? hostPlatform()));
}
