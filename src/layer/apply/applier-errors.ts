import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { TarEntry } from '../../tar/types.js';

/** The path leads through a file that the same layer made. */
export function inTheWay(path: string): OverlayerError {
  return new OverlayerError(
    'InvalidArgument',
    `"${displayPath(path)}" is not a directory, and an earlier entry of the layer made it`,
  );
}

export function linksToDirectory(target: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `hard link target "${displayPath(target)}" is a directory`);
}

/** Neither this layer nor a lower one has the target. */
export function missesTarget(target: string): OverlayerError {
  return new OverlayerError(
    'NotFound',
    `${describeTarget(target)} does not exist, since no entry before the link makes it`,
    {
      hint: 'write the target before its links; if a lower layer has it, unpack with that layer',
    },
  );
}

export function describeTarget(target: string): string {
  return `hard link target "${displayPath(target)}"`;
}

export function replacesItsTarget(target: string): OverlayerError {
  return new OverlayerError(
    'InvalidArgument',
    `hard link would replace a directory that holds its target "${displayPath(target)}"`,
  );
}

/** The layer is unpacked before its lower layers are there, and this entry relies on them. */
export function reliesOnLowers(what: string): OverlayerError {
  return new OverlayerError(
    'FailedPrecondition',
    `the layer does not list ${what}: the layers below have to be known`,
    {
      reason: 'needs-lowers',
      hint: 'unpack it after the layers below; in containerd set max_concurrent_unpacks to 1',
    },
  );
}

/** Adds the entry that was being unpacked, unless the error names one. */
export function atEntry(
  error: OverlayerError,
  entry: Pick<TarEntry, 'path' | 'offset'> | undefined,
): OverlayerError {
  if (entry === undefined || error.entry !== undefined) return error;
  const { code, hint, errno, reason, cause } = error;
  const message = `Cannot unpack entry "${displayPath(entry.path)}": ${error.message}`;
  return new OverlayerError(code, message, {
    hint,
    errno,
    reason,
    cause,
    entry: entry.path,
    offset: entry.offset,
  });
}
