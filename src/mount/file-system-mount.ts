import { SystemError } from '../system/system.js';
import { mapOwners } from './idmapped.js';
import type { MountAttempt } from './mount-attempt.js';
import { fileSystemFlags, mountAttributes, mountFlags, splitOption } from './mount-options.js';

/** A parameter of the filesystem; a flag if it has no value. */
export type Parameter = readonly [key: string, value?: string | undefined];

/** Mounts a filesystem that is not an overlay. */
export function mountFileSystem(attempt: MountAttempt): void {
  attachFileSystem(attempt, attempt.options.data.map(splitOption), (tree) =>
    mapOwners(attempt.system, tree, attempt.options.idMap),
  );
}

/** Uses mount(2). */
export async function mountFileSystemOld({ system, mount, options, target }: MountAttempt): Promise<void> {
  if (options.idMap !== undefined) throw new SystemError('ENOSYS', 'mount_setattr', target.path);
  const { type, source } = mount;
  const data = options.data.join(',');
  system.mount({ source, target: target.path, type, flags: mountFlags(options), data });
}

/** @param prepare called with the mount before it is attached */
export function attachFileSystem(
  { system, mount, options, target, messages }: MountAttempt,
  parameters: readonly Parameter[],
  prepare: (tree: number) => void = () => {},
): void {
  const fileSystem = system.openFileSystem(mount.type);
  try {
    system.setParameter(fileSystem, 'source', mount.source);
    for (const flag of fileSystemFlags(options)) system.setParameter(fileSystem, flag);
    for (const [key, value] of parameters) system.setParameter(fileSystem, key, value);
    system.createFileSystem(fileSystem);
    const tree = system.makeTree(fileSystem, mountAttributes(options).set);
    try {
      prepare(tree);
      system.attach(tree, target.descriptor);
    } finally {
      system.close(tree);
    }
  } catch (error) {
    messages.push(...system.messages(fileSystem));
    throw error;
  } finally {
    system.close(fileSystem);
  }
}
