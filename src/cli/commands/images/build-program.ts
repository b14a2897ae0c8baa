import type { Command } from 'commander';
import {
  APPEND_FLAGS,
  COMMIT_FLAGS,
  CONFIG_IMAGE_FLAGS,
  DIFF_IMAGES_FLAGS,
  REBASE_FLAGS,
  SQUASH_FLAGS,
} from '../../flags/build-flags.js';
import { addCommand } from '../../flags/declare.js';

const COMMIT_HELP = `The mount stays as it is, and may be in use. No file in the layer is cut short.
Stop the container if its files belong together.

Examples:
  overlayer mount --rw debian:12 /mnt && chroot /mnt apt-get install -y curl
  overlayer commit /mnt debian-curl:12 --cmd '["curl"]' -m 'add curl'`;

const APPEND_HELP = `IMAGE is scratch for an image from nothing.

Examples:
  overlayer append debian:12 app.tar.gz -t app:1 --cmd '["/app"]'
  overlayer append scratch rootfs/ -t mine --set-platform linux/arm64`;

const CONFIG_HELP = `Examples:
  overlayer config app:1 -t app:2 --env LOG=info --env-rm DEBUG --user 1000
  overlayer config app:1 -t app:1 --entrypoint '["/app"]' --cmd ''`;

const SQUASH_HELP = `Example:
  overlayer squash app:1 -t app:small`;

const REBASE_HELP = `Layers above the base stay as they are. They are not compared with the new base.

Example:
  overlayer rebase app:1 --old debian:12.1 --new debian:12.2 -t app:1`;

const load = () => import('./build.js');
const IMAGE = ['<IMAGE>', 'the name of an image'] as const;

/** The commands that make an image of another one. */
export function addBuilding(program: Command): void {
  addCommand(program, {
    name: 'commit',
    summary: 'Make an image of the changes in a mounted image.',
    operands: [
      ['<MOUNT|SNAPSHOT>', 'the directory that it is mounted on, or the key of a snapshot'],
      ['<NAME>', 'the name of the new image'],
    ],
    flags: COMMIT_FLAGS,
    help: COMMIT_HELP,
    run: async ([target, name], flags) => await (await load()).commit(target, name, flags),
  });
  addCommand(program, {
    name: 'append',
    summary: 'Make an image of another one and more layers.',
    operands: [IMAGE, ['<LAYERS...>', 'archives, layer files and directories, the lowest first']],
    flags: APPEND_FLAGS,
    help: APPEND_HELP,
    run: async ([image, layers], flags) => await (await load()).append(image, layers, flags),
  });
  addCommand(program, {
    name: 'config',
    summary: 'Make an image with another configuration.',
    operands: [IMAGE],
    flags: CONFIG_IMAGE_FLAGS,
    help: CONFIG_HELP,
    run: async ([image], flags) => await (await load()).config(image, flags),
  });
  addCommand(program, {
    name: 'squash',
    summary: 'Make an image with the same files and one layer.',
    operands: [IMAGE],
    flags: SQUASH_FLAGS,
    help: SQUASH_HELP,
    run: async ([image], flags) => await (await load()).squash(image, flags),
  });
  addCommand(program, {
    name: 'rebase',
    summary: 'Make an image with another base below.',
    operands: [IMAGE],
    flags: REBASE_FLAGS,
    help: REBASE_HELP,
    run: async ([image], flags) => await (await load()).rebase(image, flags),
  });
}

/** The command below `images`. */
export function addImageDiff(images: Command): void {
  addCommand(images, {
    name: 'diff',
    summary: 'List the files that two images do not have alike.',
    operands: [
      ['<BEFORE>', 'the name of an image'],
      ['<AFTER>', 'the name of another image'],
    ],
    flags: DIFF_IMAGES_FLAGS,
    run: async ([before, after], flags) => await (await import('./diff.js')).diffImages(before, after, flags),
  });
}
