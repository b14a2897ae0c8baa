import type { ConfigChanges, Limits, OverlayerError } from '../../index.js';

/** The flags of the library's options that an error can be about (`OverlayerError.option`). */
const OPTION_FLAGS = new Map<string, string>(
  Object.entries({
    maxBytes: '--max-bytes',
    maxRatio: '--max-ratio',
    maxWindow: '--max-window',
    maxEntries: '--max-entries',
    maxPathLength: '--max-path-length',
    maxPathDepth: '--max-path-depth',
    maxHeaderBytes: '--max-header-bytes',
    maxXattrBytes: '--max-xattr-bytes',
    maxWork: '--max-work',
    maxMemory: '--max-memory',
    allowEmpty: '--allow-empty',
    env: '--env',
    entrypoint: '--entrypoint',
    cmd: '--cmd',
    user: '--user',
    workingDir: '--workdir',
    labels: '--label',
    stopSignal: '--stop-signal',
    volumes: '--volume',
    exposedPorts: '--expose',
    author: '--author',
    platform: '--set-platform',
  } satisfies Record<keyof Limits | keyof ConfigChanges | 'allowEmpty', string>),
);

/** The parts of an error that name an option, with the name of its flag. Other options keep their names. */
export function withFlag({ message, hint, option }: OverlayerError): {
  readonly message: string;
  readonly hint: string | undefined;
  readonly option: string | undefined;
} {
  const flag = OPTION_FLAGS.get(option ?? '');
  if (flag === undefined) return { message, hint, option };
  // Quoted text is a value, or the name of a file.
  const word = new RegExp(`"[^"]*"|\\b${option}\\b`, 'g');
  const replace = (text: string) => text.replace(word, (found) => (found === option ? flag : found));
  return { message: replace(message), hint: hint && replace(hint), option: flag };
}
