import { posix } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { DEFAULT_LIMITS, type Limits } from '../base/limits.js';
import { displayPath } from '../base/path-bytes.js';
import { cleanPath } from '../layer/clean-path.js';
import type { TarEntry } from '../tar/types.js';
import type { StoredFile } from './stored-file.js';

/** Of archives that hold layers: all names are kept, so fewer of them, and shorter ones, than a layer may have. */
export const ARCHIVE_LIMITS: Partial<Limits> = {
  ...DEFAULT_LIMITS,
  maxEntries: 65_536,
  maxPathLength: 1024,
};

/** As the kernel's own limit. */
const MAX_LINKS = 40;

type Member =
  | { readonly type: 'file'; readonly file: StoredFile }
  | { readonly type: 'link'; readonly target: string };

/**
 * The files of an image archive by their names. Nothing is ever written under these names: they are only looked up, as
 * text, so a name that leads elsewhere leads nowhere.
 */
export class ArchiveMembers {
  readonly #members = new Map<string, Member>();

  /** @throws OverlayerError as `addFile`. Anything but a link is passed over */
  addLink(entry: TarEntry): void {
    const target = linkTarget(entry);
    if (target !== undefined) this.#add(entry, { type: 'link', target });
  }

  /** @throws OverlayerError `InvalidArgument` for a second member of a name: of two readers, each could take another */
  addFile(entry: TarEntry, file: StoredFile): void {
    this.#add(entry, { type: 'file', file });
  }

  /** @throws OverlayerError `InvalidArgument` for a link that leads in a circle, or on and on */
  find(name: string): StoredFile | undefined {
    let member = this.#members.get(name);
    for (let links = 0; member?.type === 'link'; links++) {
      if (links === MAX_LINKS)
        throw new OverlayerError(
          'InvalidArgument',
          `Member "${displayPath(name)}" is a link that never ends`,
        );
      member = this.#members.get(member.target);
    }
    return member?.file;
  }

  #add(entry: TarEntry, member: Member): void {
    const name = memberName(entry);
    if (name === undefined) return;
    if (this.#members.has(name))
      throw new OverlayerError('InvalidArgument', `Member "${displayPath(name)}" is there twice`, {
        entry: entry.path,
        offset: entry.offset,
      });
    this.#members.set(name, member);
  }
}

/** Undefined for a name that is not its own clean form: no image has such members. */
export function memberName({ path }: TarEntry): string | undefined {
  const clean = cleanPath(path);
  return clean.changed || clean.path === '' ? undefined : clean.path;
}

/**
 * Whether somebody may want the entry's bytes: then it is for `addFile`, and otherwise for `addLink`.
 *
 * @throws OverlayerError `Unimplemented` for a sparse file: its bytes are not what the archive has
 */
export function isMemberFile(entry: TarEntry): boolean {
  if (entry.type !== 'file' || memberName(entry) === undefined) return false;
  if (!entry.sparse) return true;
  throw new OverlayerError('Unimplemented', `Member "${displayPath(entry.path)}" is a sparse file`, {
    hint: 'write the archive again without --sparse',
    entry: entry.path,
    offset: entry.offset,
  });
}

/** Where a link leads by its text, as docker writes it for a layer that is there already; undefined: nowhere in here. */
function linkTarget({ type, path, linkPath }: TarEntry): string | undefined {
  if (type !== 'symlink' && type !== 'hardlink') return undefined;
  const target = type === 'symlink' ? posix.join(posix.dirname(path), linkPath) : posix.normalize(linkPath);
  const leavesArchive = linkPath.startsWith('/') || target === '..' || target.startsWith('../');
  return leavesArchive ? undefined : target;
}
