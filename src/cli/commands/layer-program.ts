import type { Command } from 'commander';
import { addCommand, addGroup } from '../flags/declare.js';
import {
  DIFF_FLAGS,
  INSPECT_FLAGS,
  TAR_FLAGS,
  UNPACK_FLAGS,
  VERIFY_LAYER_FLAGS,
} from '../flags/layer-flags.js';

const SOURCE = 'a layer or image: a file, an OCI layout, docker://REF, or - for standard input';

const SIZE_HELP = `Sizes are bytes, or have a unit: K, M, G, T (or KiB, MiB …) are powers of 1024;
KB, MB, GB, TB are powers of 1000.`;

const UNPACK_HELP = `${SIZE_HELP}

Examples:
  overlayer unpack layer.tar.gz rootfs
  overlayer unpack --diff-id sha256:4f5e… layer.tar.zst rootfs
  overlayer unpack --target overlay --lower two --lower one three.tar upper
  overlayer unpack --target erofs layer.tar.gz layer.erofs
  overlayer unpack --dry-run layer.tar.gz rootfs
  overlayer unpack image.tar rootfs
  overlayer unpack --platform linux/arm64 docker://debian:12 rootfs

A failure leaves nothing at DEST. With --merge, files that were written stay.`;

const DIFF_HELP = `LOWER and UPPER are complete trees; LOWER may be empty. Equal trees give equal
layers, byte for byte.

Examples:
  overlayer diff before after -o layer.tar.zst
  overlayer diff before after | ssh host overlayer unpack --merge - rootfs
  SOURCE_DATE_EPOCH=1700000000 overlayer diff empty rootfs -o layer.tar.gz`;

const TAR_HELP = `Examples:
  overlayer layer tar layer.erofs -o layer.tar
  overlayer layer tar layer.erofs | sha256sum`;

const VERIFY_HELP = `Examples:
  overlayer layer verify layer.erofs
  mount -t erofs layer.erofs /mnt

A damaged file gives exit code 15 (DataLoss).`;

/** The commands on one layer, or on an image without a store. */
export function addLayerCommands(program: Command): void {
  addCommand(program, {
    name: 'unpack',
    summary: 'Unpack a layer or an image into a directory or EROFS files.',
    details: 'Compression (gzip, zstd or none) is detected from the content.',
    operands: [
      ['<LAYER>', SOURCE],
      [
        '<DEST>',
        'the directory to create; an existing one must be empty (target erofs of a layer: the new file)',
      ],
    ],
    flags: UNPACK_FLAGS,
    help: UNPACK_HELP,
    run: async ([layer, destination], flags, given) =>
      await (await import('./unpack.js')).unpack(layer, destination, flags, given),
  });
  addCommand(program, {
    name: 'inspect',
    summary: 'List the entries of a layer, or show what an image consists of.',
    details: 'The list also shows whiteouts and anomalies.',
    operands: [['<LAYER>', SOURCE]],
    flags: INSPECT_FLAGS,
    help: SIZE_HELP,
    run: async ([layer], flags, given) => await (await import('./inspect.js')).inspect(layer, flags, given),
  });
  addCommand(program, {
    name: 'diff',
    summary: 'Make a layer from the difference between two directories.',
    operands: [
      ['<LOWER>', 'the directory that the layer will be applied to'],
      ['<UPPER>', 'the directory that the layer will result in'],
    ],
    flags: DIFF_FLAGS,
    help: DIFF_HELP,
    run: async ([lower, upper], flags) => await (await import('./diff.js')).diff(lower, upper, flags),
  });
  addLayerFiles(program);
}

function addLayerFiles(program: Command): void {
  const layer = addGroup(program, 'layer', 'Work with EROFS files that hold the tar of a layer.');
  if (layer === undefined) return;
  const operand = ['<FILE>', 'a file that unpack --target erofs has written'] as const;
  const load = () => import('./layer-file.js');
  addCommand(layer, {
    name: 'tar',
    summary: 'Write the tar of a layer file, byte for byte.',
    details: 'It fails if the tar does not have the diffID of the layer.',
    operands: [operand],
    flags: TAR_FLAGS,
    help: TAR_HELP,
    run: async ([file], flags) => await (await load()).tar(file, flags),
  });
  addCommand(layer, {
    name: 'verify',
    summary: 'Read a layer file to its end, and check that no byte is damaged.',
    operands: [operand],
    flags: VERIFY_LAYER_FLAGS,
    help: VERIFY_HELP,
    run: async ([file], flags) => await (await load()).verify(file, flags),
  });
}
