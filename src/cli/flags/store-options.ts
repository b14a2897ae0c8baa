import { type Command, Option } from 'commander';
import { collect, parseCount, parseSize } from './parse-value.js';

/** A command that works below a root. */
export function onStore(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--root <DIR>', 'where the snapshots, and images, are')
    .addOption(
      new Option(
        '--backend <BACKEND>',
        'how snapshots are laid out: overlayfs layers, or whole trees',
      ).choices(['overlay', 'native']),
    )
    .option('--json', 'print the result as one JSON document');
}

export function platformOption(): Option {
  return new Option('--platform <PLATFORM>', 'os/architecture[/variant] of the image');
}

/** Options of the commands that list something. @param filter an example of a field and a value */
export function addListOptions(command: Command, filter: string): Command {
  return command
    .option('-q, --quiet', 'print what each is called, and no more')
    .option('--filter <FILTER>', `only these, such as ${filter}; one of several is enough`, collect)
    .addOption(formatOption().conflicts(['quiet', 'json']));
}

export function formatOption(): Option {
  return new Option('--format <TEMPLATE>', 'print fields, as docker does: {{.name}}, {{json .labels}}');
}

/** Options of the commands that get images into the store. */
export function addGetOptions(command: Command): Command {
  return command
    .addOption(platformOption())
    .option(
      '--concurrency <N>',
      'layers at once (half as many as cores; as many while their bytes come slowly)',
      parseCount,
    )
    .option('--keep-blobs', "keep the layers' blobs, to export or unpack them (the default)")
    .addOption(new Option('--discard-blobs', 'keep the snapshots only').conflicts('keepBlobs'))
    .addOption(imageProgressOption());
}

/** Options of the commands that ask registries. */
export function addRegistryOptions(command: Command): Command {
  return command
    .option('--plain-http', 'do without TLS')
    .option('--username <USER>', 'for the registry (else what docker login or podman login has stored)')
    .option('--password-stdin', 'read the password from standard input')
    .option('--hosts-dir <DIR>', "registries' hosts.toml and certificates; may be repeated", collect)
    .option('--min-rate <SIZE>', 'bytes a second that have to come, over 30 seconds (64)', parseSize)
    .option(
      '--deadline <SECONDS>',
      'how long the registry may take for all of the image (for ever)',
      parseCount,
    );
}

export function imageProgressOption(): Option {
  return new Option(
    '--progress <FORM>',
    'progress on standard error; auto is a line for each layer on a terminal, else plain',
  )
    .choices(['auto', 'plain', 'json', 'none'])
    .default('auto');
}
