import { join } from 'node:path';
import type { Layer } from './inputs.js';
import type { Contender } from './measure.js';
import { BENCH_DIR, OVERLAYER } from './paths.js';
import { type Command, shell } from './run.js';

// All leave a durable result; containerd starts and ends in the time, which takes it about 0.3 s.

export const CONTAINERD = join(BENCH_DIR, 'scripts', 'containerd.sh');

/** An image into a store that can mount it. `layout` and `archive` hold it as `image`. */
export function imageContenders(layout: string, archive: string, layers: readonly Layer[]): Contender[] {
  return [
    ...overlayer('import', '--name', 'image', layout),
    ...importPeers(layout, archive),
    {
      name: 'tar -xzf, one after the other',
      limit: true,
      command: (dest) =>
        shell(
          `${layers.map((layer, at) => unpack('tar -xz', layer, join(dest, `${at}`))).join(' && ')} && sync -f ${dest}`,
        ),
    },
    sideBySide(layers),
  ];
}

/** What else a user would pick. */
export function importPeers(layout: string, archive: string): Contender[] {
  const image = `oci:${layout}:image`;
  return [
    {
      name: 'containerd',
      command: (dest) => [CONTAINERD, dest, 'import', '--snapshotter', 'overlayfs', archive],
    },
    skopeo(image),
    containersStorage('podman', `pull -q ${image}`),
    containersStorage('buildah', `pull -q ${image}`),
    {
      name: 'umoci',
      command: (dest) => shell(`umoci unpack --image ${layout}:image ${dest}/bundle && sync -f ${dest}`),
    },
  ];
}

/** The same from a registry on this machine. */
export function pullContenders(reference: string, layers: readonly Layer[]): Contender[] {
  const pull = `pull -q --tls-verify=false ${reference}`;
  return [
    ...overlayer('pull', '--plain-http', reference),
    {
      name: 'containerd',
      command: (dest) => [CONTAINERD, dest, 'pull', '--plain-http', '--snapshotter', 'overlayfs', reference],
    },
    skopeo(`--src-tls-verify=false docker://${reference}`),
    containersStorage('podman', pull),
    containersStorage('buildah', pull),
    sideBySide(layers),
  ];
}

function overlayer(...words: readonly string[]): Contender[] {
  return [
    { name: 'overlayer', command: overlayerInto(...words, '--discard-blobs') },
    { name: 'overlayer, blobs kept', command: overlayerInto(...words) },
  ];
}

/** A command of overlayer with a store of its own. */
export function overlayerInto(...words: readonly string[]): Contender['command'] {
  return (dest) => [...OVERLAYER, ...words, '--root', join(dest, 'root'), '--progress', 'none'];
}

function skopeo(source: string): Contender {
  return {
    name: 'skopeo',
    command: (dest) =>
      inStorage(
        dest,
        `skopeo --insecure-policy copy -q ${source} containers-storage:[overlay@${dest}/root+${dest}/run]image`,
      ),
  };
}

function containersStorage(name: 'podman' | 'buildah', pull: string): Contender {
  const options = '--root $0/root --runroot $0/run --storage-driver overlay';
  return { name, command: (dest) => inStorage(dest, `${name} ${options} ${pull}`.replaceAll('$0', dest)) };
}

/** containers-storage mounts its own directory on itself, and leaves it so. */
function inStorage(dest: string, command: string): readonly string[] {
  return shell(`${command} >/dev/null; end=$?; umount ${dest}/root/overlay; sync -f ${dest}; exit $end`);
}

/** What two cores can do without looking at what they write. */
export function sideBySide(layers: readonly Layer[]): Contender {
  return {
    name: 'igzip | tar, two side by side',
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
