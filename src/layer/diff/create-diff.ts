import { checkOptions } from '../../base/check-arguments.js';
import { DataTask, type Task } from '../../base/task.js';
import { CREATE_DIFF_OPTIONS, type CreateDiffOptions, type DiffResult, type DiffSource } from './options.js';
import { runDiff } from './run-diff.js';

/**
 * Makes a layer of the difference between two trees, off the caller's event loop and in bounded memory. The events are
 * the bytes of the layer.
 *
 * Applied to `lower`, the layer gives `upper`: contents, types, owners, modes, modification times to the nanosecond,
 * extended attributes and hard links, those of directories and of the root included. Left out are sockets, holes of
 * sparse files (which are zeros then), `security.selinux` and `system.nfs4_acl`, which belong to the host, and of
 * capabilities the id of a user namespace's root on this host (revision 3 becomes 2). Two files are
 * taken for the same when all but their content is, and their modification time has a fraction of a second.
 *
 * The same trees give the same archive, wherever and whenever; compressed, the same bytes with the same release of Node
 * (zlib) and of zstd-napi. Names of users and groups are left out.
 *
 * @throws OverlayerError
 *   - `NotFound`: no such directory; something in it went while it was read
 *   - `FailedPrecondition`: a name that begins with `.wh.`, which no layer can hold; a file that changed while it was read
 *   - `Unimplemented`: an upperdir of a mount with `redirect_dir` or `metacopy`
 *   - `InvalidArgument`: an option that makes no sense
 *   - `PermissionDenied`, `DataLoss` (input/output errors)
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * const diff = createDiff({ lower: 'before', upper: 'after' });
 * await writeFile('layer.tar.gz', diff);
 * const { descriptor, diffID } = await diff;
 */
export function createDiff(
  source: DiffSource,
  options: CreateDiffOptions = {},
): Task<DiffResult, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('createDiff', options, CREATE_DIFF_OPTIONS);
    return yield* runDiff(source, options);
  });
}
