import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { RuntimeUser } from './runtime-spec.js';

/** Greater ids are negative numbers to some runtimes (CVE-2024-40635). */
const MAX_ID = 2 ** 31 - 1;

/** The files of the image that define users and groups. */
interface UserDatabase {
  /** Content of `/etc/passwd`. */
  readonly passwd: string;
  /** Content of `/etc/group`. */
  readonly group: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Resolves the user of an image: `user`, `uid`, `user:group`, `uid:gid`, `uid:group` or `user:gid`. An empty text is
 * root. Without a group, the process gets the user's primary group and the groups that the user is a member of (OCI
 * image spec, config.md "User"). conversion.md omits the latter for a numeric user, but containerd and docker do not.
 *
 * A number is an id, never a name (CVE-2016-3697). The additional groups include the primary group. Otherwise a process
 * could drop it, and gain access that is denied to the group (CVE-2023-25173).
 *
 * @throws OverlayerError `NotFound`: there is no such name; `InvalidArgument`
 */
export function resolveUser(text: string, { passwd, group }: UserDatabase): RuntimeUser {
  const [userPart = '', groupPart, ...more] = text.split(':');
  if (more.length > 0 || groupPart === '')
    throw new OverlayerError('InvalidArgument', `Not a user: "${displayPath(text)}"`, {
      hint: 'a user is user[:group], each a name or a number',
    });
  const users = parsePasswd(passwd);
  const groups = parseGroup(group);
  const wanted = userPart === '' ? 0 : parseID(userPart);
  const known = users.find(({ name, uid }) => (wanted === undefined ? name === userPart : uid === wanted));
  const uid = wanted ?? known?.uid;
  if (uid === undefined) throw missing('user', userPart, '/etc/passwd');
  if (groupPart !== undefined) {
    const gid = parseID(groupPart) ?? groups.find(({ name }) => name === groupPart)?.gid;
    if (gid === undefined) throw missing('group', groupPart, '/etc/group');
    return { uid, gid, additionalGids: [gid] };
  }
  const gid = known?.gid ?? 0;
  const memberOf = groups.filter(({ members }) => known !== undefined && members.includes(known.name));
  return { uid, gid, additionalGids: [...new Set([gid, ...memberOf.map((entry) => entry.gid)])] };
}

/** @throws OverlayerError `InvalidArgument`: the number is too large */
function parseID(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (/^\d+$/.test(text) && id <= MAX_ID) return id;
  throw new OverlayerError('InvalidArgument', `Not the id of a user or a group: "${text}"`);
}

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text).flatMap(([name = '', , uid, gid]) => {
    const ids = { uid: databaseID(uid), gid: databaseID(gid) };
    return ids.uid === undefined || ids.gid === undefined ? [] : [{ name, uid: ids.uid, gid: ids.gid }];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text).flatMap(([name = '', , idText, members = '']) => {
    const gid = databaseID(idText);
    return gid === undefined ? [] : [{ name, gid, members: members.split(',') }];
  });
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

/** Damaged lines are ignored. */
function databaseID(text = ''): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

function missing(what: string, name: string, file: string): OverlayerError {
  return new OverlayerError('NotFound', `There is no ${what} "${displayPath(name)}" in ${file} of the image`);
}
