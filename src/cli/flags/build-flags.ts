import { InvalidArgumentError } from 'commander';
import {
  collect,
  compressionFlag,
  epochFlag,
  flag,
  parseLabels,
  required,
  type ValuesOf,
} from './declare.js';
import { PLATFORM } from './fetch-flags.js';
import { progressFlag, STORE_FLAGS } from './store-flags.js';

/** Reads `["/bin/app","-v"]`, or a line for a shell, as in a Dockerfile. An empty text is an empty list. */
function parseCommand(text: string): readonly string[] {
  if (text === '') return [];
  if (!text.startsWith('[')) return ['/bin/sh', '-c', text];
  let words: unknown;
  try {
    words = JSON.parse(text);
  } catch {
    words = undefined;
  }
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words;
  throw new InvalidArgumentError(
    'It should be a list of texts such as ["/bin/app","-v"], or a line for /bin/sh.',
  );
}

/** Reads `NAME=VALUE`, or `NAME` for the value that the variable has here, as docker does. */
function parseVariable(
  text: string,
  previous: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? process.env[text] : text.slice(at + 1);
  if (name === '' || value === undefined)
    throw new InvalidArgumentError('It should be NAME=VALUE, or the NAME of a variable that is set here.');
  return { ...previous, [name]: value };
}

/** Changes of the config, for all commands that make an image. */
const CONFIG_FLAGS = [
  flag('--env <NAME=VALUE>', 'set an environment variable; may be repeated', parseVariable),
  flag('--env-rm <NAME>', 'remove an environment variable; may be repeated', collect),
  flag('--entrypoint <COMMAND>', 'a JSON list, or a line for /bin/sh; empty removes it', parseCommand),
  flag('--cmd <COMMAND>', 'a JSON list, or a line for /bin/sh; empty removes it', parseCommand),
  flag('--user <USER[:GROUP]>', 'the user that the process runs as; empty removes it'),
  flag('--workdir <DIR>', 'the working directory; empty removes it'),
  flag('--label <NAME=VALUE>', 'set a label of the config; may be repeated', parseLabels),
  flag('--label-rm <NAME>', 'remove a label; may be repeated', collect),
  flag('--expose <PORT[/PROTOCOL]>', 'add a port, such as 80 or 53/udp; may be repeated', collect),
  flag('--expose-rm <PORT[/PROTOCOL]>', 'remove a port; may be repeated', collect),
  flag('--volume <DIR>', 'add a directory for a volume; may be repeated', collect),
  flag('--volume-rm <DIR>', 'remove a directory for a volume; may be repeated', collect),
  flag('--stop-signal <SIGNAL>', 'the signal that stops the container; empty removes it'),
  flag('--author <NAME>', 'the author of the image and of this step; empty removes it'),
  flag('--annotation <NAME=VALUE>', 'set an annotation of the manifest; may be repeated', parseLabels),
  flag('--annotation-rm <NAME>', 'remove an annotation; may be repeated', collect),
  flag('--set-platform <PLATFORM>', 'the platform that the new image is for'),
] as const;

const MAKE_FLAGS = [
  ...STORE_FLAGS,
  PLATFORM,
  flag('-m, --message <TEXT>', 'a comment for the history'),
  epochFlag('latest modification time, and the time of the image, in seconds since 1970'),
  progressFlag('a line for each layer'),
] as const;
const COMPRESSION = compressionFlag('gzip');
const TAG = required(flag('-t, --tag <NAME>', 'the name of the new image'));

export const COMMIT_FLAGS = [
  ...MAKE_FLAGS,
  flag('--base <IMAGE>', 'the image that the snapshot was made of (default: the one that was mounted)'),
  COMPRESSION,
  ...CONFIG_FLAGS,
] as const;
export type CommitFlags = ValuesOf<typeof COMMIT_FLAGS>;

export const APPEND_FLAGS = [...MAKE_FLAGS, TAG, COMPRESSION, ...CONFIG_FLAGS] as const;
export type AppendFlags = ValuesOf<typeof APPEND_FLAGS>;

export const CONFIG_IMAGE_FLAGS = [...MAKE_FLAGS, TAG, ...CONFIG_FLAGS] as const;
export type ConfigImageFlags = ValuesOf<typeof CONFIG_IMAGE_FLAGS>;

export const SQUASH_FLAGS = [
  ...MAKE_FLAGS,
  TAG,
  flag(
    '--from <LAYER>',
    'the digest or diffID of a layer that stays, with those below it (default: none stays)',
  ),
  COMPRESSION,
] as const;
export type SquashFlags = ValuesOf<typeof SQUASH_FLAGS>;

export const REBASE_FLAGS = [
  ...MAKE_FLAGS,
  TAG,
  required(flag('--old <IMAGE>', 'the base that the image was made of')),
  required(flag('--new <IMAGE>', 'the base that takes its place')),
] as const;
export type RebaseFlags = ValuesOf<typeof REBASE_FLAGS>;

/** Options of `images diff`. */
export const DIFF_IMAGES_FLAGS = [...STORE_FLAGS, PLATFORM] as const;
export type DiffImagesFlags = ValuesOf<typeof DIFF_IMAGES_FLAGS>;

/** The values of `MAKE_FLAGS`, and those of the others that a command may have. */
export type MakeFlags = ValuesOf<typeof MAKE_FLAGS> &
  Partial<ValuesOf<typeof CONFIG_FLAGS> & ValuesOf<readonly [typeof COMPRESSION]>>;
