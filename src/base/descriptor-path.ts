/**
 * A path by which the file behind a descriptor of this process is opened again, although another file may have its name by
 * then.
 *
 * @param name the file's own path: Windows and the BSDs have no other
 */
export function descriptorPath(descriptor: number, name: string): string {
  if (process.platform === 'linux') return `/proc/self/fd/${descriptor}`;
  return process.platform === 'darwin' ? `/dev/fd/${descriptor}` : name;
}
