import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** @returns the path in the user's home; undefined for a user without one */
export function inHome(path: string): string | undefined {
  const home = homeOfUser();
  return home === undefined ? undefined : join(home, path);
}

/** The XDG specification ignores relative paths: files of the working directory are not the user's. */
export function xdgDirectory(variable: 'XDG_CONFIG_HOME' | 'XDG_RUNTIME_DIR'): string | undefined {
  const directory = process.env[variable] ?? '';
  return isAbsolute(directory) ? directory : undefined;
}

function homeOfUser(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    // HOME is not set, and the user is not in /etc/passwd, as in a container that runs as any user.
    return undefined;
  }
}
