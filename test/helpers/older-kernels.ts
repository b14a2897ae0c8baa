import type { MountSystem } from '../../src/system/mount-system.js';
import type { SystemError } from '../../src/system/system.js';

/**
 * The calls of a kernel: all; those before Linux 6.15, whose overlayfs takes no layers that are attached nowhere; before
 * 6.12, which mounts no plain files; before 6.7; mount(2) alone.
 */
export type MountCalls = 'all calls' | 'attached layers' | 'loop devices' | 'no lowerdir+' | 'mount(2)';

/** It is run in another process, and uses nothing but its arguments. */
export function olderKernels(
  newest: MountSystem,
  Refusal: typeof SystemError,
): Readonly<Record<MountCalls, MountSystem>> {
  const refuse = (errno: string, path: string, syscall = 'fsconfig'): never => {
    throw new Refusal(errno, syscall, path);
  };

  const detached = new Set<number>();
  const namesDetached = (text = '') =>
    [...text.matchAll(/\/proc\/self\/fd\/(\d+)/g)].some(([, tree]) => detached.has(Number(tree)));
  const made = (tree: number) => {
    detached.add(tree);
    return tree;
  };
  const attachedLayers: MountSystem = {
    ...newest,
    takesDetachedLayers: () => false,
    makeTree: (fileSystem, attributes) => made(newest.makeTree(fileSystem, attributes)),
    cloneTree: (path, options) =>
      namesDetached(path) ? refuse('EINVAL', path, 'open_tree') : made(newest.cloneTree(path, options)),
    attach(tree, target) {
      newest.attach(tree, target);
      detached.delete(tree);
    },
    close(descriptor) {
      newest.close(descriptor);
      detached.delete(descriptor);
    },
    setParameter: (fileSystem, key, value) =>
      key === 'lowerdir+' && namesDetached(value)
        ? refuse('EINVAL', value!)
        : newest.setParameter(fileSystem, key, value),
    mount: (call) => (namesDetached(call.data) ? refuse('EINVAL', call.target, 'mount') : newest.mount(call)),
  };

  const erofs = new Set<number>();
  const ofFiles = new Set<number>();
  const loopDevices: MountSystem = {
    ...attachedLayers,
    openFileSystem(type) {
      const fileSystem = newest.openFileSystem(type);
      if (type === 'erofs') erofs.add(fileSystem);
      return fileSystem;
    },
    setParameter(fileSystem, key, value) {
      if (key === 'source' && erofs.has(fileSystem) && !value!.startsWith('/dev/loop'))
        ofFiles.add(fileSystem);
      attachedLayers.setParameter(fileSystem, key, value);
    },
    createFileSystem: (fileSystem) =>
      ofFiles.has(fileSystem) ? refuse('ENOTBLK', '') : newest.createFileSystem(fileSystem),
    close(descriptor) {
      attachedLayers.close(descriptor);
      erofs.delete(descriptor);
      ofFiles.delete(descriptor);
    },
  };

  return {
    'all calls': newest,
    'attached layers': attachedLayers,
    'loop devices': loopDevices,
    'no lowerdir+': {
      ...attachedLayers,
      setParameter: (fileSystem, key, value) =>
        key === 'lowerdir+' ? refuse('EINVAL', key) : attachedLayers.setParameter(fileSystem, key, value),
    },
    'mount(2)': {
      ...newest,
      openFileSystem: (type) => refuse('ENOSYS', type, 'fsopen'),
      cloneTree: (path) => refuse('ENOSYS', path, 'open_tree'),
    },
  };
}
