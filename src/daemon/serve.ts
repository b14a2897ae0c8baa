import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import { OPEN_SNAPSHOTTER_OPTIONS } from '../snapshot/open-snapshotter.js';
import type { Daemon, ServeOptions } from './daemon.js';

const SERVE_OPTIONS = {
  ...OPEN_SNAPSHOTTER_OPTIONS,
  address: 'path',
  name: 'string',
  containerd: 'path',
  metrics: 'string',
  onLog: 'function',
} satisfies OptionNames<ServeOptions>;

/**
 * Serves snapshots, a differ and a content store to containerd, over gRPC, and the health service `grpc.health.v1`.
 * `containerdConfig` prints the `proxy_plugins` tables that connect containerd to them.
 *
 * The daemon needs a root of its own, because containerd's garbage collection deletes all snapshots there that it does
 * not know.
 *
 * @throws OverlayerError as `openStore`, and
 *   - `Unavailable`: another process listens on the socket, or on the port for metrics
 *   - `FailedPrecondition`: the root has images that overlayer has pulled or imported
 *   - `InvalidArgument`: an invalid address; no address, and no socket of systemd
 *
 * @example
 * await using daemon = await serve({ root: '/var/lib/overlayer-containerd', address: '/run/overlayer.sock' });
 */
export async function serve(options: ServeOptions): Promise<Daemon> {
  checkOptions('serve', options, SERVE_OPTIONS);
  // Loaded when used, because gRPC takes long to load.
  const { startDaemon } = await import('./start-daemon.js');
  return await startDaemon(options);
}
