import { type Command, Option } from 'commander';
import { collect } from '../../flags/parse-value.js';
import {
  addGetOptions,
  addListOptions,
  addRegistryOptions,
  formatOption,
  onStore,
  platformOption,
} from '../../flags/store-options.js';

const IMAGE = 'the name of an image';

const PULL_HELP = `
What is there already is not fetched, and an interrupted pull goes on where it ended.

Examples:
  overlayer pull debian:12
  overlayer pull --platform linux/arm64 --discard-blobs 127.0.0.1:5000/app
  echo "$TOKEN" | overlayer pull --username me --password-stdin registry.example/app`;

const IMPORT_HELP = `
Examples:
  overlayer import image.tar
  docker save app | overlayer import -
  overlayer import --image app:1 layout/`;

/** The commands on images. */
export function addImages(program: Command): void {
  const loadPull = () => import('../pull.js');
  const pull = onStore(
    program,
    'pull',
    'Get an image from a registry, unpacked and ready to be mounted.',
  ).argument('<REF>', 'as docker takes it: debian:12, registry.example/app@sha256:…');
  addRegistryOptions(addGetOptions(pull))
    .addHelpText('after', PULL_HELP)
    .action(async (reference, flags) => {
      process.exitCode = await (await loadPull()).pull(reference, flags);
    });

  const imported = onStore(program, 'import', 'Get images out of an archive or an OCI layout.').argument(
    '<SOURCE>',
    'a file, a directory, or - for standard input',
  );
  addGetOptions(imported)
    .option('--image <NAME>', 'only this one; may be repeated', collect)
    .option('--name <NAME>', 'what it is to be called (as it is in there; else its digest)')
    .addHelpText('after', IMPORT_HELP)
    .action(async (source, flags) => {
      process.exitCode = await (await loadPull()).importImages(source, flags);
    });

  onStore(program, 'export', 'Write images as an archive, for docker and others too.')
    .argument('<IMAGES...>', 'their names')
    .requiredOption('-o, --output <FILE>', 'the archive, or - for standard output')
    .action(async (names, flags) => {
      const { exportImages } = await import('./export.js');
      process.exitCode = await exportImages(names, flags);
    });

  addMounting(program);
  addBundle(program);
  addListing(
    program.command('images').description('List images, name them, and take them away.').helpCommand(false),
  );
}

function addMounting(program: Command): void {
  const load = () => import('./mounting.js');
  onStore(program, 'mount', 'Mount the root filesystem of an image.')
    .argument('<IMAGE>', IMAGE)
    .argument('<TARGET>', 'the directory to mount on')
    .option('--rw', 'with a layer to write to, which goes when it is unmounted')
    .addOption(platformOption())
    .action(async (image, target, flags) => {
      process.exitCode = await (await load()).mount(image, target, flags);
    });
  onStore(program, 'unmount', 'Unmount an image.')
    .argument('<TARGET>', 'the directory that it is mounted on')
    .action(async (target, flags) => {
      process.exitCode = await (await load()).unmount(target, flags);
    });
}

const BUNDLE_HELP = `
Example:
  overlayer bundle debian:12 web && crun run --bundle web web-1`;

function addBundle(program: Command): void {
  onStore(program, 'bundle', 'Make an OCI runtime bundle of an image: rootfs and config.json.')
    .argument('<IMAGE>', IMAGE)
    .argument('<DIR>', 'where to make it')
    .option('--rootless', 'for a runtime without privileges: you are root in there')
    .addOption(
      new Option('--os <OS>', 'what it is to run on (that of the image)').choices(['linux', 'freebsd']),
    )
    .addOption(platformOption())
    .addHelpText('after', BUNDLE_HELP)
    .action(async (image, directory, flags) => {
      const { bundle } = await import('./bundle.js');
      process.exitCode = await bundle(image, directory, flags);
    });
}

function addListing(images: Command): void {
  const load = () => import('./listing.js');
  const loadChanges = () => import('./changes.js');
  addListOptions(onStore(images, 'ls', 'List images.'), 'name~=debian').action(async (flags) => {
    process.exitCode = await (await load()).ls(flags);
  });
  onStore(images, 'tree', 'List images with their manifests, configs and layers.').action(async (flags) => {
    process.exitCode = await (await load()).tree(flags);
  });
  onStore(images, 'inspect', 'Show what an image is made of, and how it is to be run.')
    .argument('<IMAGE>', IMAGE)
    .addOption(platformOption())
    .addOption(formatOption().conflicts('json'))
    .action(async (image, flags) => {
      process.exitCode = await (await load()).inspect(image, flags);
    });
  onStore(images, 'usage', 'Show what images take on disk; what they share counts for each.')
    .argument('[IMAGES...]', 'all, if there are none')
    .action(async (names, flags) => {
      process.exitCode = await (await load()).usage(names, flags);
    });
  onStore(images, 'check', 'Show which parts of images are there.')
    .argument('[IMAGES...]', 'all, if there are none')
    .action(async (names, flags) => {
      process.exitCode = await (await load()).check(names, flags);
    });
  onStore(images, 'tag', 'Give an image one more name.')
    .argument('<IMAGE>', IMAGE)
    .argument('<NAME>', 'the other name')
    .action(async (image, name, flags) => {
      process.exitCode = await (await loadChanges()).tag(image, name, flags);
    });
  onStore(images, 'rm', 'Take names away, and what nothing else leads to then.')
    .argument('<IMAGES...>', 'their names')
    .action(async (names, flags) => {
      process.exitCode = await (await loadChanges()).rm(names, flags);
    });
  onStore(images, 'prune', 'Take away blobs and layers that no image leads to.').action(async (flags) => {
    process.exitCode = await (await loadChanges()).prune(flags);
  });
}
