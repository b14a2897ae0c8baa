import { posix } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { TarEntry } from '../../tar/types.js';
import { hashFile, type LocalFile, sizeOf } from '../source/local-images.js';
import { cleanName, memberName } from './archive-file.js';

/** The kernel's limit (path_resolution(7)). */
const MAX_LINKS = 40;

type Member =
  | { readonly type: 'file'; readonly file: LocalFile }
  /** Candidates: the target relative to the link's directory, then relative to the root. */
  | { readonly type: 'link'; readonly targets: readonly string[] };

interface Repeated {
  readonly entry: TarEntry;
  readonly first: Member;
  readonly again: Member;
}

/**
 * The files of an image archive by their names. The names are only keys of a map and are never used as paths, so a hostile
 * name can't escape.
 */
export class ArchiveMembers {
  readonly #members = new Map<string, Member>();
  readonly #repeated: Repeated[] = [];

  /** Ignores entries that are not links. */
  addLink(entry: TarEntry): void {
    const targets = linkTargets(entry);
    if (targets.length > 0) this.#add(entry, { type: 'link', targets });
  }

  addFile(entry: TarEntry, file: LocalFile): void {
    this.#add(entry, { type: 'file', file });
  }

  /**
   * Call it after the last member. A repeated name must have the same bytes: readers disagree on which one counts.
   *
   * @throws OverlayerError `InvalidArgument` when the bytes of a repeated name differ
   */
  async checkRepeated(options: AbortableOptions): Promise<void> {
    const hashes = new Map<LocalFile, string>();
    for (const { entry, first, again } of this.#repeated) {
      if (await isSame(first, again, hashes, options)) continue;
      const name = displayPath(memberName(entry)!);
      throw new OverlayerError('InvalidArgument', `Member "${name}" is there twice, and differs`, {
        hint: 'the archive could be read as two different images; write it again',
        entry: entry.path,
        offset: entry.offset,
      });
    }
  }

  /** @param name as one of the archive's documents spells it. @throws OverlayerError as `follow` */
  find(name: string): LocalFile | undefined {
    return this.#follow(cleanName(name) ?? '', 0);
  }

  /** A directory below the root that has one of these files. */
  findDirectory(files: readonly string[]): string | undefined {
    for (const name of this.#members.keys())
      if (files.includes(posix.basename(name)) && posix.dirname(name) !== '.') return posix.dirname(name);
    return undefined;
  }

  /** @throws OverlayerError `InvalidArgument` after `MAX_LINKS` links, as in a circle */
  #follow(name: string, links: number): LocalFile | undefined {
    const member = this.#members.get(name);
    if (member?.type !== 'link') return member?.file;
    if (links === MAX_LINKS)
      throw new OverlayerError('InvalidArgument', `Member "${displayPath(name)}" is a link that never ends`);
    const target = member.targets.find((target) => this.#members.has(target));
    return target === undefined ? undefined : this.#follow(target, links + 1);
  }

  #add(entry: TarEntry, member: Member): void {
    const name = memberName(entry);
    if (name === undefined) return;
    const first = this.#members.get(name);
    if (first === undefined) this.#members.set(name, member);
    else this.#repeated.push({ entry, first, again: member });
  }
}

/**
 * Whether the entry is a file, for `addFile`. Pass all other entries to `addLink`.
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

/**
 * The possible targets of a link. docker writes links for repeated layers. Targets outside of the archive are dropped.
 * Some writers give symlink targets relative to the root (containerd#12890). The layer's diffID verifies the choice.
 */
function linkTargets({ type, path, linkPath }: TarEntry): readonly string[] {
  if (linkPath.startsWith('/')) return [];
  const targets =
    type === 'symlink'
      ? [posix.join(posix.dirname(path), linkPath), posix.normalize(linkPath)]
      : type === 'hardlink'
        ? [posix.normalize(linkPath)]
        : [];
  return targets.filter((target) => target !== '..' && !target.startsWith('../'));
}

async function isSame(
  one: Member,
  other: Member,
  hashes: Map<LocalFile, string>,
  options: AbortableOptions,
): Promise<boolean> {
  if (one.type === 'link' || other.type === 'link')
    return (
      one.type === 'link' && other.type === 'link' && one.targets.join('\0') === other.targets.join('\0')
    );
  if (sizeOf(one.file) !== sizeOf(other.file)) return false;
  // The first file of a name is compared with each repetition: hash it once.
  const hash = hashes.get(one.file) ?? (await hashFile(one.file, options));
  hashes.set(one.file, hash);
  return hash === (await hashFile(other.file, options));
}
