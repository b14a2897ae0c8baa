import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Options of every command that works below a root, as commander gives them. */
export interface RootFlags {
  readonly root?: string;
  readonly backend?: 'overlay' | 'native';
  readonly json?: true;
}

/** The system's place for root; for others the one of the XDG base directory specification. */
export function rootOf({ root }: Pick<RootFlags, 'root'>): string {
  if (root !== undefined) return root;
  if (isRootOfSystem()) return '/var/lib/overlayer';
  const data = process.env['XDG_DATA_HOME'] ?? '';
  return join(isAbsolute(data) ? data : join(homedir(), '.local/share'), 'overlayer');
}

/** Not a user who is root in a user namespace alone, where the system's directories belong to nobody. */
function isRootOfSystem(): boolean {
  return process.geteuid!() === 0 && (statSync('/var/lib', { throwIfNoEntry: false })?.uid ?? 0) === 0;
}
