import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The user's directory for data or caches. The XDG specification ignores relative paths in its variables. A relative or empty
 * HOME would put the directory into the working directory.
 *
 * @returns undefined for a user without a home: HOME is not absolute, or not set where the user is not in /etc/passwd
 */
export function userDirectory(
  variable: 'XDG_DATA_HOME' | 'XDG_CACHE_HOME',
  inHome: string,
): string | undefined {
  const own = process.env[variable] ?? '';
  if (isAbsolute(own)) return own;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, inHome) : undefined;
  } catch {
    return undefined;
  }
}
