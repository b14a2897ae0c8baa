import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { BENCH_DIR, OVERLAYER } from '../paths.js';
import { CONTAINERD_2 } from '../prerequisites.js';
import { type Command, shell } from '../run.js';

// All results are durable. The time includes the start and the end of containerd and of its plugin (0.3 to 0.6 s).

export const CONTAINERD = join(BENCH_DIR, 'scripts', 'containerd.sh');
const DAEMON = join(BENCH_DIR, 'scripts', 'daemon.sh');

/** Trees. */
export const OWN = 'overlayer';
export const OWN_EROFS = 'overlayer, EROFS';
export const NEWEST_CONTAINERD = 'newest containerd';
export const PLUGIN = 'newest containerd with overlayer';
export const OLD_CONTAINERD = 'containerd 1.6';
export const PIPELINES = 'igzip | tar, two side by side';

/** PATH of the newest containerd. It uses igzip, which is on it. */
export const NEWEST_PATH = `${CONTAINERD_2}:${process.env['PATH']}`;

/** An image into a store that can mount it. `layout` and `archive` hold it as `image`. */
export function imageContenders(layout: string, archive: string, layers: readonly Layer[]): Contender[] {
  return [
    ...overlayer('import', '--name', 'image', layout),
    newestContainerd('import', '--local', '--snapshotter', 'overlayfs', archive),
    plugin(`import --local --base-name image --snapshotter overlayer ${archive}`),
    ...importPeers(layout, archive),
    sideBySide(layers),
  ];
}

/** The peers that take half a minute. */
export function importPeers(layout: string, archive: string): Contender[] {
  const image = `oci:${layout}:image`;
  return [
    {
      name: OLD_CONTAINERD,
      slow: true,
      command: (dest) => [CONTAINERD, dest, 'import', '--snapshotter', 'overlayfs', archive],
    },
    skopeo(image),
    containersStorage('podman', `pull -q ${image}`),
    containersStorage('buildah', `pull -q ${image}`),
    {
      name: 'umoci',
      slow: true,
      command: (dest) => shell(`umoci unpack --image ${layout}:image ${dest}/bundle && sync -f ${dest}`),
    },
  ];
}

/** The same from a registry on this machine. */
export function pullContenders(reference: string, layers: readonly Layer[]): Contender[] {
  return [
    ...overlayer('pull', '--plain-http', reference),
    {
      name: 'overlayer, blobs kept',
      command: overlayerInto('pull', '--plain-http', reference, '--backend', 'overlay'),
    },
    newestContainerd('pull', '--plain-http', '--snapshotter', 'overlayfs', reference),
    plugin(`pull --plain-http --snapshotter overlayer ${reference}`),
    ...pullPeers(reference),
    sideBySide(layers),
  ];
}

/** The peers that keep images in containers-storage. */
export function pullPeers(reference: string): Contender[] {
  const pull = `pull -q --tls-verify=false ${reference}`;
  return [
    skopeo(`--src-tls-verify=false docker://${reference}`),
    containersStorage('podman', pull),
    containersStorage('buildah', pull),
  ];
}

/** With the words of `ctr images`. */
export function newestContainerd(...words: readonly string[]): Contender {
  return {
    name: NEWEST_CONTAINERD,
    env: { PATH: NEWEST_PATH },
    command: (dest) => [CONTAINERD, dest, ...words],
  };
}

/** The newest containerd with overlayer as its snapshotter and differ. */
export function plugin(words: string): Contender {
  return {
    name: PLUGIN,
    env: { PATH: NEWEST_PATH },
    command: (dest) =>
      besideDaemon(dest, 'overlayer-diff', `ctr images ${words} >/dev/null && sync -f ${dest}`),
  };
}

/** A line of shell beside the daemons. @param differ of containerd's diff service */
export function besideDaemon(dest: string, differ: string, line: string): Command {
  return ['sh', DAEMON, dest, differ, 'sh', '-c', line];
}

/** By trees and by EROFS files, without the blobs. */
function overlayer(...words: readonly string[]): Contender[] {
  return [
    { name: OWN, command: overlayerInto(...words, '--discard-blobs', '--backend', 'overlay') },
    { name: OWN_EROFS, command: overlayerInto(...words, '--discard-blobs', '--backend', 'erofs') },
  ];
}

/** A command of overlayer with a store of its own. */
export function overlayerInto(...words: readonly string[]): Contender['command'] {
  return (dest) => [...OVERLAYER, ...words, '--root', join(dest, 'root'), '--progress', 'none'];
}

function skopeo(source: string): Contender {
  return {
    name: 'skopeo',
    slow: true,
    command: (dest) =>
      inStorage(
        dest,
        `skopeo --insecure-policy copy -q ${source} containers-storage:[overlay@${dest}/root+${dest}/run]image`,
      ),
  };
}

function containersStorage(name: 'podman' | 'buildah', pull: string): Contender {
  const options = '--root $0/root --runroot $0/run --storage-driver overlay';
  const line = `${name} ${options} ${pull}`;
  return { name, slow: true, command: (dest) => inStorage(dest, line.replaceAll('$0', dest)) };
}

/** containers-storage leaves its own directory mounted on itself. */
function inStorage(dest: string, command: string): readonly string[] {
  return shell(`${command} >/dev/null; end=$?; umount ${dest}/root/overlay; sync -f ${dest}; exit $end`);
}

/** The work of two cores without any check. */
export function sideBySide(layers: readonly Layer[]): Contender {
  return {
    name: PIPELINES,
    limit: true,
    command: (dest) =>
      inTwoHalves(dest, layers, (layer, at) => unpack('igzip -dc | tar -x', layer, join(dest, `${at}`))),
  };
}

/** A line of shell for each layer, every second one beside the others; then a sync. */
export function inTwoHalves(
  dest: string,
  layers: readonly Layer[],
  line: (layer: Layer, at: number) => string,
): Command {
  const half = (rest: 0 | 1) =>
    layers
      .map(line)
      .filter((_, at) => at % 2 === rest)
      .join(' && ');
  return shell(`{ ${half(0)}; } & { ${half(1)}; } && wait $! && sync -f ${dest}`);
}

function unpack(pipeline: string, layer: Layer, dest: string): string {
  return `mkdir ${dest} && <${layer.file('gzip')} ${pipeline} -C ${dest}`;
}
