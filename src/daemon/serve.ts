import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import { OPEN_SNAPSHOTTER_OPTIONS } from '../snapshot/open-snapshotter.js';
import type { Daemon, ServeOptions } from './daemon.js';

const SERVE_OPTIONS = {
  ...OPEN_SNAPSHOTTER_OPTIONS,
  address: true,
  name: true,
  containerd: true,
  metrics: true,
  onLog: true,
} satisfies OptionNames<ServeOptions>;

/**
 * Serves snapshots, a differ and a content store to containerd, over gRPC: what its `proxy_plugins` are
 * (`containerdConfig` has the table). Also `grpc.health.v1`.
 *
 * The root is to be the daemon's own: containerd's garbage collection removes all snapshots there that it does not know.
 *
 * @throws OverlayerError as `openStore`, and
 *   - `Unavailable`: another process listens on the socket, or on the port for metrics
 *   - `FailedPrecondition`: the root has images of overlayer's own
 *   - `InvalidArgument`: an address that is none; no address
 *
 * @example
 * await using daemon = await serve({ root: '/var/lib/overlayer-containerd', address: '/run/overlayer.sock' });
 */
export async function serve(options: ServeOptions): Promise<Daemon> {
  checkOptions('serve', options, SERVE_OPTIONS);
  // Late: nobody else need wait for gRPC to load.
  const { startDaemon } = await import('./start-daemon.js');
  return await startDaemon(options);
}
