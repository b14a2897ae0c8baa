import { OverlayerError } from '../../base/errors.js';
import { type Limits, limitError } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { storedXattrName } from '../../rootfs/xattrs.js';
import type { TarEntry } from '../../tar/types.js';
import { CAPABILITY, isCapability } from '../apply/capability.js';
import type { Anomaly, AnomalyKind } from './anomaly.js';
import { cleanPath } from './clean-path.js';
import type { Operation } from './operation.js';
import { AUFS_METADATA, isAufsMetadata, parseWhiteout } from './whiteout.js';

const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
const WORLD_WRITABLE = 0o002;

/**
 * Turns an entry of a layer into a validated operation, without I/O and without state. Anomalies go to `report`.
 *
 * @returns undefined for an entry that has no effect (AUFS's metadata) or may not be made (a mark of overlayfs)
 * @throws OverlayerError `InvalidArgument`, `ResourceExhausted`
 */
export function planEntry(
  entry: TarEntry,
  limits: Limits,
  report: (anomaly: Anomaly) => void,
): Operation | undefined {
  const { path, changed } = cleanPath(entry.path);
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '' : path.slice(0, slash);
  const name = slash < 0 ? path : path.slice(slash + 1);
  if (slash >= 0) checkDepth(path, limits, entry);
  reportAnomalies(entry, path, changed, report);
  if (path === '' && entry.type !== 'directory')
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot unpack entry "${displayPath(entry.path)}": the root would become a ${entry.type}`,
      {
        entry: entry.path,
        offset: entry.offset,
      },
    );
  const whiteout = isAufsMetadata(parent) ? AUFS_METADATA : parseWhiteout(name, entry);
  if (whiteout !== undefined) {
    if (whiteout.kind === 'opaque') return { op: 'opaque', path: parent, ...split(parent), entry };
    if (whiteout.kind === 'whiteout')
      return {
        op: 'whiteout',
        path: parent === '' ? whiteout.name : `${parent}/${whiteout.name}`,
        parent,
        name: whiteout.name,
        entry,
      };
    report(anomaly('aufs-metadata', entry));
    return undefined;
  }
  if (isForgedWhiteout(entry)) {
    report(anomaly('forged-whiteout', entry));
    return undefined;
  }
  if (entry.type === 'hardlink')
    return { op: 'hardlink', path, parent, name, entry, linkPath: cleanPath(entry.linkPath).path };
  checkCapability(entry);
  return { op: entry.type, path, parent, name, entry };
}

/**
 * Linux refuses to set a value that is not valid, and to read an empty one (EINVAL), so that the file can't be executed or
 * packed. File systems without capabilities take any value. Each target must take the same layers.
 */
function checkCapability({ path, offset, xattrs }: TarEntry): void {
  const value = xattrs?.get(CAPABILITY);
  if (value === undefined || isCapability(value)) return;
  throw new OverlayerError(
    'InvalidArgument',
    `Cannot unpack entry "${displayPath(path)}": its attribute ${CAPABILITY} is not valid`,
    { entry: path, offset },
  );
}

/** Only the names of the image spec delete (layer.md, "Whiteouts"). overlayfs would delete for such a device too. */
function isForgedWhiteout({ type, devMajor, devMinor }: TarEntry): boolean {
  return type === 'character-device' && devMajor === 0 && devMinor === 0;
}

function split(path: string): { parent: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { parent: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
}

function checkDepth(path: string, limits: Limits, entry: TarEntry): void {
  if (path.length < limits.maxPathDepth * 2 - 1) return; // too short to be too deep
  let depth = 1;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth += 1;
  if (depth > limits.maxPathDepth)
    throw limitError('maxPathDepth', limits.maxPathDepth, { entry: entry.path, offset: entry.offset });
}

function anomaly(kind: AnomalyKind, entry: TarEntry, detail?: string): Anomaly {
  return { kind, entry: entry.path, offset: entry.offset, detail };
}

function reportAnomalies(
  entry: TarEntry,
  path: string,
  changed: boolean,
  report: (anomaly: Anomaly) => void,
): void {
  if (changed) report(anomaly('non-canonical-name', entry, displayPath(path)));
  if (!entry.path.isWellFormed()) report(anomaly('name-not-utf8', entry));
  switch (entry.type) {
    case 'symlink':
      if (entry.linkPath.startsWith('/'))
        report(anomaly('absolute-link', entry, displayPath(entry.linkPath)));
      else if (leavesRoot(path, entry.linkPath))
        report(anomaly('link-leaves-root', entry, displayPath(entry.linkPath)));
      break;
    case 'hardlink':
      break;
    case 'character-device':
    case 'block-device':
      if (!isForgedWhiteout(entry)) report(anomaly('device', entry, `${entry.devMajor}:${entry.devMinor}`));
      break;
    case 'file':
    case 'directory':
    case 'fifo':
      if (entry.mode & SETUID) report(anomaly('setuid', entry));
      if (entry.mode & SETGID) report(anomaly('setgid', entry));
      if (entry.mode & WORLD_WRITABLE && !(entry.mode & STICKY && entry.type === 'directory'))
        report(anomaly('world-writable', entry));
      break;
    default:
      entry.type satisfies never;
  }
  if (entry.xattrs !== undefined)
    for (const name of entry.xattrs.keys()) {
      const stored = storedXattrName(name);
      if (stored === undefined) report(anomaly('xattr-skipped', entry, name));
      else if (stored !== name) report(anomaly('overlay-xattr', entry, name));
    }
}

function leavesRoot(path: string, target: string): boolean {
  if (!target.includes('..')) return false;
  let depth = path.split('/').length - 1;
  for (const component of target.split('/')) {
    if (component === '..') depth -= 1;
    else if (component !== '' && component !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}
