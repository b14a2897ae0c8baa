interface KnownDirectory {
  /** What it has, all of it. */
  readonly names: readonly string[];
  readonly what: string;
  readonly hint: string;
}

/** What people take for an OCI layout, the most telling first. */
const KNOWN: readonly KnownDirectory[] = [
  {
    names: ['version', 'manifest.json'],
    what: "a directory of skopeo's transport dir:",
    hint: 'make an OCI layout of it: skopeo copy dir:DIRECTORY oci:LAYOUT:NAME',
  },
  {
    names: ['manifest.json'],
    what: 'what docker save writes, unpacked',
    hint: 'pack it again: tar -C DIRECTORY -cf image.tar .',
  },
  {
    names: ['index.json'],
    what: 'an OCI layout without its file oci-layout',
    hint: 'it is not whole: write it again',
  },
  {
    names: ['io.containerd.content.v1.content'],
    what: 'the root of a containerd',
    hint: 'export the image: ctr images export image.tar NAME',
  },
  {
    names: ['image', 'overlay2'],
    what: 'the root of a docker',
    hint: 'save the image: docker save NAME | overlayer import -',
  },
  {
    names: ['diff', 'link'],
    what: 'a layer in the root of a docker or podman',
    hint: 'save the image: docker save NAME | overlayer import -',
  },
  {
    names: ['storage.lock', 'overlay-images'],
    what: 'the root of a podman',
    hint: 'save the image: podman save --format oci-archive NAME | overlayer import -',
  },
  {
    names: ['content', 'metadata.db', 'snapshots'],
    what: 'the root of an overlayer',
    hint: 'commands on its images take it by --root',
  },
  {
    names: ['config.json', 'rootfs'],
    what: 'a bundle for a runtime',
    hint: 'make a layer of its root filesystem: overlayer diff EMPTY DIRECTORY/rootfs -o layer.tar.gz',
  },
  {
    names: ['etc', 'usr'],
    what: 'a root filesystem',
    hint: 'make a layer of it: overlayer diff EMPTY DIRECTORY -o layer.tar.gz',
  },
];

/** What a directory is that is no OCI layout, and what to do with it. */
export function knownDirectory(
  has: (name: string) => boolean,
): Pick<KnownDirectory, 'what' | 'hint'> | undefined {
  return KNOWN.find(({ names }) => names.every(has));
}
