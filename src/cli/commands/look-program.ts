import type { Command } from 'commander';
import { addCommand } from '../flags/declare.js';
import { CAT_FLAGS, EXPLORE_FLAGS, FILES_FLAGS } from '../flags/explore-flags.js';

const EXPLORE_HELP = `IMAGE is an image of the store, or what unpack takes: an archive, an OCI layout,
docker://REF, a layer, or - for standard input. store:NAME is of the store.

Examples:
  overlayer explore debian:12
  overlayer explore image.tar | less
  overlayer explore docker://debian:12 --json > debian.json
  overlayer explore app:2 --compare app:1
  overlayer explore app:2 --html app.html
  overlayer explore app:2 --ci --max-wasted 20MB --max-setuid 15`;

const FILES_HELP = `Examples:
  overlayer files image.tar
  overlayer files debian:12 etc/apt usr/bin/dpkg
  overlayer files docker://debian:12 --layer 0
  overlayer files app:2 --history app/config.json

A row has permissions, owner, bytes, layer and name. --layer and --history print
A for an added, C for a changed, D for a removed path, M for changed metadata.`;

const CAT_HELP = `Layers are read from the top, as far as needed: a file of the top layer of a
registry's image takes one layer. The bytes come when the layer has its digest.

Examples:
  overlayer cat docker://debian:12 etc/os-release
  overlayer cat app:2 app/config.json | jq .
  overlayer cat layer.tar.gz usr/bin/tool > tool`;

/** The commands that look into an image. */
export function addLookCommands(program: Command): void {
  addCommand(program, {
    name: 'explore',
    summary: 'Show what an image is made of: layers, sizes, waste, changes.',
    details: 'Nothing is unpacked. It does not need root.',
    operands: [['<IMAGE>', 'the image, or a single layer']],
    flags: EXPLORE_FLAGS,
    help: EXPLORE_HELP,
    run: async ([image], flags, given) => await (await import('./explore.js')).explore(image, flags, given),
  });
  addCommand(program, {
    name: 'files',
    summary: 'List the files of an image, and the layer of each.',
    details: 'A directory is listed with all that is below it.',
    operands: [
      ['<IMAGE>', 'the image, or a single layer'],
      ['[PATH...]', 'list only this file or directory of the image'],
    ],
    flags: FILES_FLAGS,
    help: FILES_HELP,
    run: async ([image, paths], flags, given) =>
      await (await import('./files.js')).files(image, paths, flags, given),
  });
  addCommand(program, {
    name: 'cat',
    summary: 'Print one file of an image.',
    details: 'Symlinks are followed inside the image.',
    operands: [
      ['<IMAGE>', 'the image, or a single layer'],
      ['<PATH>', 'the file in the image'],
    ],
    flags: CAT_FLAGS,
    help: CAT_HELP,
    run: async ([image, path], flags, given) =>
      await (await import('./cat.js')).cat(image, path, flags, given),
  });
}
