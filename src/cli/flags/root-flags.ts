import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { OverlayerError } from '../../index.js';
import { fileFailure } from './file-failure.js';

/** Options of every command that works below a root, as commander gives them. */
export interface RootFlags {
  readonly root?: string;
  readonly backend?: 'overlay' | 'native';
  readonly json?: true;
}

/**
 * What the user names by the option or by OVERLAYER_ROOT; else the system's place for root, and for others the one of the
 * XDG base directory specification.
 */
export function rootOf({
  root = process.env['OVERLAYER_ROOT'] || undefined,
}: Pick<RootFlags, 'root'>): string {
  if (root !== undefined) return root;
  if (isRootOfSystem()) return '/var/lib/overlayer';
  const data = process.env['XDG_DATA_HOME'] ?? '';
  return join(isAbsolute(data) ? data : join(homedir(), '.local/share'), 'overlayer');
}

/**
 * For commands that make no sense where there is nothing: a mistyped root is not made.
 *
 * @param what is looked for there, and how to get the first
 * @throws OverlayerError `NotFound`, `PermissionDenied`
 */
export function existingRoot(
  flags: Pick<RootFlags, 'root'>,
  what: { readonly name: string; readonly origin: string },
): string {
  const root = rootOf(flags);
  try {
    statSync(join(root, 'snapshots'));
    return root;
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!))
      throw fileFailure(error, `Cannot look into "${root}"`);
    throw new OverlayerError('NotFound', `There are no ${what.name} in "${root}"`, {
      hint: `${what.origin}; --root or OVERLAYER_ROOT names another place`,
    });
  }
}

/** Not a user who is root in a user namespace alone, where the system's directories belong to nobody. */
function isRootOfSystem(): boolean {
  return process.geteuid?.() === 0 && (statSync('/var/lib', { throwIfNoEntry: false })?.uid ?? 0) === 0;
}
