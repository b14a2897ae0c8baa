import { withDirectory } from '../../rootfs/directory.js';
import { isWhiteout, isWhiteoutDevice, statIfThere } from '../../rootfs/lower-layers.js';
import { walkTree } from '../../rootfs/trees/walk-tree.js';
import { S, type Stat, type System, type Times } from '../../system/system.js';

/** Overlayfs ignores marks that it does not know. */
const TIMES_MARK = 'user.overlay.converting';
const OPAQUE_MARK = 'user.overlay.opaque';
/** Value of the opaque mark, "x": the directory has whiteouts that are attributes. */
const HAS_ATTRIBUTES = 0x78;
const NEW_WHITEOUT = 'whiteout.new';

export interface ConvertRequest {
  readonly tree: string;
  /** A directory on the same file system that only the caller uses. */
  readonly scratch: string;
}

/**
 * Replaces a layer's whiteouts that are attributes by devices (`layer/apply/overlay-marks.ts`). Each replacement is one
 * rename, so that the layer hides the same files at any instant, also in mounts. After a crash the next call goes on: the
 * directories are still marked, and the mark holds their times.
 */
export function convertWhiteouts(system: System, { tree, scratch }: ConvertRequest): void {
  withDirectory(system, scratch, (from) =>
    withDirectory(system, tree, (root) => {
      const convert = (directory: number, stat: Stat) => {
        if (system.getXattr(directory, OPAQUE_MARK)?.[0] === HAS_ATTRIBUTES)
          convertIn(system, directory, stat, from);
      };
      walkTree(system, root, () => true, { left: convert });
      convert(root, system.stat(root));
      system.syncFileSystem(root);
    }),
  );
}

function convertIn(system: System, directory: number, stat: Stat, scratch: number): void {
  const times = keepTimes(system, directory, stat);
  for (const { name } of system.list(directory)) {
    const found = system.statAt(directory, name);
    if (isWhiteoutDevice(found) || !isWhiteout(system, directory, name, found)) continue;
    makeWhiteout(system, scratch);
    system.rename(scratch, NEW_WHITEOUT, directory, name);
  }
  system.setTimes(directory, times);
  // The marks go last, because they say that there is something to convert.
  system.removeXattr(directory, TIMES_MARK);
  system.removeXattr(directory, OPAQUE_MARK);
}

/** The times that the directory had before its first whiteout was replaced. */
function keepTimes(system: System, directory: number, { mtimeSec, mtimeNsec }: Stat): Times {
  const kept = system.getXattr(directory, TIMES_MARK);
  const [sec, nsec] =
    kept === undefined ? [mtimeSec, mtimeNsec] : Buffer.from(kept).toString().split(' ').map(Number);
  if (kept === undefined) system.setXattr(directory, TIMES_MARK, Buffer.from(`${sec} ${nsec}`));
  return { mtimeSec: sec!, mtimeNsec: nsec!, atimeSec: sec!, atimeNsec: nsec! };
}

function makeWhiteout(system: System, scratch: number): void {
  // A process that has died may have left a whiteout.
  if (statIfThere(system, scratch, NEW_WHITEOUT) !== undefined) system.unlink(scratch, NEW_WHITEOUT);
  system.makeNode(scratch, NEW_WHITEOUT, S.IFCHR, 0, 0);
}
