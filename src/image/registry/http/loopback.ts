/** Whether a host of a URL is this machine, whatever its name server says: nobody can listen in there. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
