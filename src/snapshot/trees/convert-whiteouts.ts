import { OPEN_DIRECTORY, withChild } from '../../rootfs/directory.js';
import { isWhiteout, isWhiteoutDevice, statIfThere } from '../../rootfs/lower-layers.js';
import { walkTree } from '../../rootfs/trees/walk-tree.js';
import { AT_FDCWD, S, type Stat, type System, type Times } from '../../system/system.js';

/** overlayfs passes over marks that it does not know. */
const TIMES_MARK = 'user.overlay.converting';
const OPAQUE_MARK = 'user.overlay.opaque';
/** Its value for a directory that has whiteouts in the form of attributes: "x". */
const HAS_ATTRIBUTES = 0x78;
const NEW_WHITEOUT = 'whiteout.new';

export interface ConvertRequest {
  readonly tree: string;
  /** A directory on the same file system, which the caller has to itself. */
  readonly scratch: string;
}

/**
 * Makes devices of a layer's whiteouts that are attributes (`layer/apply/overlay-marks.ts`). Each takes the other's place at
 * once, so that the layer hides the same at any instant, for mounts of it as well. After a crash it goes on where it
 * was: the directories still say that they have such whiteouts, and what their times were.
 */
export function convertWhiteouts(system: System, { tree, scratch }: ConvertRequest): void {
  withChild(system, AT_FDCWD, scratch, OPEN_DIRECTORY, (from) =>
    withChild(system, AT_FDCWD, tree, OPEN_DIRECTORY, (root) => {
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
  // Last what says that there is something to do.
  system.removeXattr(directory, TIMES_MARK);
  system.removeXattr(directory, OPAQUE_MARK);
}

/** Those that the directory had before the first whiteout was replaced. */
function keepTimes(system: System, directory: number, { mtimeSec, mtimeNsec }: Stat): Times {
  const kept = system.getXattr(directory, TIMES_MARK);
  const [sec, nsec] =
    kept === undefined ? [mtimeSec, mtimeNsec] : Buffer.from(kept).toString().split(' ').map(Number);
  if (kept === undefined) system.setXattr(directory, TIMES_MARK, Buffer.from(`${sec} ${nsec}`));
  return { mtimeSec: sec!, mtimeNsec: nsec!, atimeSec: sec!, atimeNsec: nsec! };
}

function makeWhiteout(system: System, scratch: number): void {
  // A process that has died may have left one.
  if (statIfThere(system, scratch, NEW_WHITEOUT) !== undefined) system.unlink(scratch, NEW_WHITEOUT);
  system.makeNode(scratch, NEW_WHITEOUT, S.IFCHR, 0, 0);
}
