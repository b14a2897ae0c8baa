/**
 * A path that opens the file of a descriptor of this process again, even when another file has taken its name.
 *
 * @param name the file's own path, which is returned on Windows and the BSDs
 */
export function descriptorPath(descriptor: number, name: string): string {
  if (process.platform === 'linux') return `/proc/self/fd/${descriptor}`;
  return process.platform === 'darwin' ? `/dev/fd/${descriptor}` : name;
}
