import { SystemError } from '../../system/system.js';
import { fileSystemFlags, mountAttributes, mountFlags, splitOption } from '../mount-options.js';
import { mapOwners } from './idmapped.js';
import type { MountAttempt, MountKind } from './mount-attempt.js';

/** A parameter of the filesystem; a flag if it has no value. */
export type Parameter = readonly [key: string, value?: string | undefined];

/** A filesystem that is neither an overlay nor EROFS. */
export const FILE_SYSTEM: MountKind = {
  makeTree: (attempt) =>
    makeFileSystem(attempt, [['source', attempt.mount.source], ...attempt.options.data.map(splitOption)]),
  async mountOld({ system, mount, options }, target) {
    if (options.idMap !== undefined) throw new SystemError('ENOSYS', 'mount_setattr', target);
    const { type, source } = mount;
    system.mount({ source, target, type, flags: mountFlags(options), data: options.data.join(',') });
  },
};

/** Makes a filesystem and a mount of it, attached nowhere, with the owners that the options map. @returns its tree */
export function makeFileSystem(
  { system, mount, options, messages }: MountAttempt,
  parameters: readonly Parameter[],
): number {
  const fileSystem = system.openFileSystem(mount.type);
  try {
    for (const flag of fileSystemFlags(options)) system.setParameter(fileSystem, flag);
    for (const [key, value] of parameters) system.setParameter(fileSystem, key, value);
    system.createFileSystem(fileSystem);
    const tree = system.makeTree(fileSystem, mountAttributes(options).set);
    try {
      // The owners of an overlay are mapped in its layers.
      if (mount.type !== 'overlay') mapOwners(system, tree, options.idMap);
      return tree;
    } catch (error) {
      system.close(tree);
      throw error;
    }
  } catch (error) {
    messages.push(...system.messages(fileSystem));
    throw error;
  } finally {
    system.close(fileSystem);
  }
}
