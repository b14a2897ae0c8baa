import type { Command } from 'commander';
import { addCommand, addGroup } from '../../flags/declare.js';
import {
  BUNDLE_FLAGS,
  CONVERT_FLAGS,
  DISK_FLAGS,
  EXPORT_FLAGS,
  IMPORT_FLAGS,
  INSPECT_STORED_FLAGS,
  MOUNT_FLAGS,
  PULL_FLAGS,
  PUSH_FLAGS,
} from '../../flags/image-flags.js';
import { listFlags, STORE_FLAGS } from '../../flags/store-flags.js';

import { addBuilding, addImageDiff } from './build-program.js';

const IMAGE = 'the name of an image';

const PULL_HELP = `Layers that are already there are not fetched. To continue an interrupted pull,
run it again.

Examples:
  overlayer pull debian:12
  overlayer pull --platform linux/arm64 --discard-blobs 127.0.0.1:5000/app
  echo "$TOKEN" | overlayer pull --username me --password-stdin example.org/app`;

const IMPORT_HELP = `Examples:
  overlayer import image.tar
  docker save app | overlayer import -
  overlayer import --image app:1 layout/`;

const PUSH_HELP = `Examples:
  overlayer push registry.example/app:1
  overlayer push app:1 registry.example/app:1 --compression zstd`;

const LOCATIONS =
  'A location is docker://REF, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:REF] or store:NAME. SRC may be the path of an archive or a layout. A copy to the store unpacks the image.';

const COPY_HELP = `Examples:
  overlayer copy docker://debian:12 oci:layout:debian-12
  overlayer copy docker://debian:12 docker://registry.example/debian:12
  overlayer copy store:debian:12 docker-archive:debian.tar:debian:12`;

const CONVERT_HELP = `Example:
  overlayer convert app:1 -t app:1-zstd --compression zstd:9 --oci`;

const BUNDLE_HELP = `Example:
  overlayer bundle debian:12 web && crun run --bundle web web-1`;

const DISK_HELP = `Examples:
  overlayer images disk debian:12 debian.img
  mount -t erofs -o loop debian.img /mnt
  qemu-system-x86_64 -drive file=debian.img,format=raw,if=virtio,readonly=on …`;

/** The commands on images. */
export function addImages(program: Command): void {
  addCommand(program, {
    name: 'pull',
    summary: 'Fetch an image from a registry, and unpack it into snapshots.',
    operands: [['<REF>', 'as for docker: debian:12, registry.example/app@sha256:…']],
    flags: PULL_FLAGS,
    help: PULL_HELP,
    run: async ([reference], flags) => await (await import('../pull.js')).pull(reference, flags),
  });
  addCommand(program, {
    name: 'import',
    summary: 'Import images from an archive or an OCI layout.',
    operands: [['<SOURCE>', 'a file, a directory, or - for standard input']],
    flags: IMPORT_FLAGS,
    help: IMPORT_HELP,
    run: async ([source], flags) => await (await import('../pull.js')).importImages(source, flags),
  });
  addCommand(program, {
    name: 'export',
    summary: 'Export images as an archive that docker and others can load.',
    operands: [['<IMAGES...>', 'their names']],
    flags: EXPORT_FLAGS,
    run: async ([names], flags) => await (await import('./export.js')).exportImages(names, flags),
  });
  addCopying(program);
  addMounting(program);
  addBuilding(program);
  addCommand(program, {
    name: 'bundle',
    summary: 'Make an OCI runtime bundle: rootfs and config.json.',
    operands: [
      ['<IMAGE>', IMAGE],
      ['<DIR>', 'the directory of the bundle'],
    ],
    flags: BUNDLE_FLAGS,
    help: BUNDLE_HELP,
    run: async ([image, directory], flags) =>
      await (await import('./bundle.js')).bundle(image, directory, flags),
  });
  const images = addGroup(program, 'images', 'List, inspect, tag and remove images.');
  if (images === undefined) return;
  addListing(images);
  addCommand(images, {
    name: 'disk',
    summary: 'Write the root filesystem of an image as one EROFS file.',
    details: 'It is a root disk for virtual machines, whose sectors must have 512 bytes.',
    operands: [
      ['<IMAGE>', IMAGE],
      ['<FILE>', 'the file to create'],
    ],
    flags: DISK_FLAGS,
    help: DISK_HELP,
    run: async ([image, file], flags) => await (await import('./disk.js')).disk(image, file, flags),
  });
  addImageDiff(images);
  addChanges(images);
}

function addCopying(program: Command): void {
  const load = () => import('./copying.js');
  addCommand(program, {
    name: 'push',
    summary: 'Push an image to a registry.',
    details: 'Blobs that the registry has are not sent.',
    operands: [
      ['<IMAGE>', IMAGE],
      ['[REF]', "where to push it (default: the image's name)"],
    ],
    flags: PUSH_FLAGS,
    help: PUSH_HELP,
    run: async ([image, reference], flags) => await (await load()).push(image, reference, flags),
  });
  addCommand(program, {
    name: 'copy',
    summary: 'Copy an image from one place to another.',
    details: LOCATIONS,
    operands: [
      ['<SRC>', 'where it is'],
      ['<DST>', 'where it goes'],
    ],
    flags: PUSH_FLAGS,
    help: COPY_HELP,
    run: async ([source, target], flags) => await (await load()).copy(source, target, flags),
  });
  addCommand(program, {
    name: 'convert',
    summary: 'Make an image with layers of another compression.',
    details: 'Its snapshots are those of IMAGE.',
    operands: [['<IMAGE>', IMAGE]],
    flags: CONVERT_FLAGS,
    help: CONVERT_HELP,
    run: async ([image], flags) => await (await load()).convert(image, flags),
  });
}

function addMounting(program: Command): void {
  const load = () => import('./mounting.js');
  addCommand(program, {
    name: 'mount',
    summary: 'Mount the root filesystem of an image.',
    operands: [
      ['<IMAGE>', IMAGE],
      ['<TARGET>', 'the directory to mount on'],
    ],
    flags: MOUNT_FLAGS,
    run: async ([image, target], flags) => await (await load()).mount(image, target, flags),
  });
  addCommand(program, {
    name: 'unmount',
    summary: 'Unmount an image.',
    operands: [['<TARGET>', 'the directory that it is mounted on']],
    flags: STORE_FLAGS,
    run: async ([target], flags) => await (await load()).unmount(target, flags),
  });
}

function addListing(images: Command): void {
  const load = () => import('./listing.js');
  addCommand(images, {
    name: 'ls',
    summary: 'List images.',
    operands: [],
    flags: listFlags('name', 'name~=debian'),
    run: async (_, flags) => await (await load()).ls(flags),
  });
  addCommand(images, {
    name: 'tree',
    summary: 'List images with their manifests, configs and layers.',
    operands: [],
    flags: STORE_FLAGS,
    run: async (_, flags) => await (await load()).tree(flags),
  });
  addCommand(images, {
    name: 'inspect',
    summary: 'Show the layers and the configuration of an image.',
    operands: [['<IMAGE>', IMAGE]],
    flags: INSPECT_STORED_FLAGS,
    run: async ([image], flags) => await (await load()).inspect(image, flags),
  });
  addCommand(images, {
    name: 'usage',
    summary: 'Show the disk usage of images, each with the data it shares.',
    operands: [['[IMAGES...]', 'default: all']],
    flags: STORE_FLAGS,
    run: async ([names], flags) => await (await load()).usage(names, flags),
  });
  addCommand(images, {
    name: 'check',
    summary: 'Check that the blobs and layers of images are there.',
    operands: [['[IMAGES...]', 'default: all']],
    flags: STORE_FLAGS,
    run: async ([names], flags) => await (await load()).check(names, flags),
  });
}

function addChanges(images: Command): void {
  const load = () => import('./changes.js');
  addCommand(images, {
    name: 'tag',
    summary: 'Give an image another name.',
    operands: [
      ['<IMAGE>', IMAGE],
      ['<NAME>', 'the other name'],
    ],
    flags: STORE_FLAGS,
    run: async ([image, name], flags) => await (await load()).tag(image, name, flags),
  });
  addCommand(images, {
    name: 'rm',
    summary: 'Remove images, and delete data that nothing else uses.',
    operands: [['<IMAGES...>', 'their names']],
    flags: STORE_FLAGS,
    run: async ([names], flags) => await (await load()).rm(names, flags),
  });
  addCommand(images, {
    name: 'prune',
    summary: 'Delete blobs and snapshots that no image or lease uses.',
    operands: [],
    flags: STORE_FLAGS,
    run: async (_, flags) => await (await load()).prune(flags),
  });
}
