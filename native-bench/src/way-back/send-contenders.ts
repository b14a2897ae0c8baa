import { CONTAINERD } from '../image-contenders.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import type { EmptyRegistry } from '../registry.js';
import { run, shell } from '../run.js';
import { CONTAINERD_IMAGE, type Stores } from './measure-way-back.js';

/** The image to a registry that has nothing. */
export function pushContenders(stores: Stores, registry: EmptyRegistry): readonly Contender[] {
  const { reference } = registry;
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
      name: 'skopeo, from a layout',
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
      name: 'podman',
      command: () => shell(`podman ${stores.containers} push -q --tls-verify=false localhost/image ${to}`),
    },
    {
      name: 'buildah',
      command: () => shell(`buildah ${stores.containers} push -q --tls-verify=false localhost/image ${to}`),
    },
    {
      name: 'containerd',
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
  return [
    {
      name: 'overlayer',
      before: () => removeImage(stores, 'converted'),
      command: () => [
        ...[...OVERLAYER, 'convert', ...inStore, '--compression', compression, '--progress', 'none'],
        ...[own, '-t', 'converted'],
      ],
    },
    {
      name: 'skopeo',
      command: (dest) => [
        ...['skopeo', 'copy', '-q', '--dest-compress-format', compression],
        ...[`oci:${layout}:image`, `oci:${dest}/layout:image`],
      ],
    },
    {
      name: 'buildah, from its storage',
      command: (dest) =>
        shell(
          `buildah ${stores.containers} push -q --compression-format ${compression} localhost/image oci:${dest}/layout:image`,
        ),
    },
  ];
}

/** Or the next run would find its blobs. */
export function removeImage({ overlayer }: Stores, name: string): void {
  run(shell(`${OVERLAYER.join(' ')} images rm --root ${overlayer} ${name} 2>/dev/null || true`));
}
