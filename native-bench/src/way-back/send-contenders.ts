import { CONTAINERD } from '../image/image-contenders.js';
import type { Registry } from '../image/registry.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import { run, shell } from '../run.js';
import { CONTAINERD_IMAGE, type Stores } from './stores.js';

export const PUSHERS = ['skopeo, from a layout', 'podman', 'buildah', 'containerd'] as const;
export const CONVERTERS = ['skopeo', 'buildah, from its storage'] as const;

/** The image to a registry that has nothing. */
export function pushContenders(stores: Stores, registry: Registry): readonly Contender[] {
  const reference = `${registry.host}/image:latest`;
  const to = `docker://${reference}`;
  const contenders: readonly Contender[] = [
    {
      name: 'overlayer',
      command: () => [
        ...[...OVERLAYER, 'push', '--root', stores.overlayer, '--plain-http', '--progress', 'none'],
        ...['image', reference],
      ],
    },
    {
      name: PUSHERS[0],
      command: () => [
        'skopeo',
        'copy',
        '-q',
        '--dest-tls-verify=false',
        `oci:${stores.gzipLayout}:image`,
        to,
      ],
    },
    {
      name: PUSHERS[1],
      command: () => shell(`podman ${stores.containers} push -q --tls-verify=false localhost/image ${to}`),
    },
    {
      name: PUSHERS[2],
      command: () => shell(`buildah ${stores.containers} push -q --tls-verify=false localhost/image ${to}`),
    },
    {
      name: PUSHERS[3],
      command: () => [CONTAINERD, stores.containerd, 'push', '--plain-http', reference, CONTAINERD_IMAGE],
    },
  ];
  return contenders.map((contender) => ({ ...contender, before: registry.empty }));
}

/** All layers to another compression. The results are layouts, and an image of overlayer's store. */
export function convertContenders(stores: Stores, compression: 'gzip' | 'zstd'): readonly Contender[] {
  const own = compression === 'zstd' ? 'image' : 'zstd';
  const layout = compression === 'zstd' ? stores.gzipLayout : stores.zstdLayout;
  const inStore = ['--root', stores.overlayer];
  const overlayer = (name: string, flag: string): Contender => ({
    name,
    before: () => removeImage(stores, 'converted'),
    command: () => [
      ...[...OVERLAYER, 'convert', ...inStore, '--compression', flag, '--progress', 'none'],
      ...[own, '-t', 'converted'],
    ],
  });
  return [
    overlayer('overlayer', compression),
    ...(compression === 'zstd' ? [overlayer('overlayer, level 1', 'zstd:1')] : []),
    {
      name: CONVERTERS[0],
      command: (dest) => [
        ...['skopeo', 'copy', '-q', '--dest-compress-format', compression],
        ...[`oci:${layout}:image`, `oci:${dest}/layout:image`],
      ],
    },
    {
      name: CONVERTERS[1],
      command: (dest) =>
        shell(
          `buildah ${stores.containers} push -q --compression-format ${compression} localhost/image oci:${dest}/layout:image`,
        ),
    },
  ];
}

/** The next run must not find its blobs. */
export function removeImage({ overlayer }: Stores, name: string): void {
  run(shell(`${OVERLAYER.join(' ')} images rm --root ${overlayer} ${name} 2>/dev/null || true`));
}
