import type { OpenStoreOptions } from '../image/store/store.js';
import type { LogEntry } from './grpc/log-call.js';

/** The root that the daemon serves, and its addresses. */
export interface ServeOptions extends OpenStoreOptions {
  /**
   * Path of the unix socket. Only its owner may use it. The socket of a process that has ended is replaced.
   * @default the socket that systemd passes
   */
  readonly address?: string | undefined;
  /** Name of the snapshotter in containerd's configuration. @default 'overlayer' */
  readonly name?: string | undefined;
  /**
   * Path of containerd's own socket. The daemon reads layers from its content store, and writes diffs into it.
   * @default '/run/containerd/containerd.sock'
   */
  readonly containerd?: string | undefined;
  /** HOST:PORT that serves metrics to Prometheus. Port 0 takes a free port. @default no metrics */
  readonly metrics?: string | undefined;
  /** Called for each request that changes something, or is refused, or fails. @default no log */
  readonly onLog?: ((entry: LogEntry) => void) | undefined;
}

/** A running daemon. It serves until it is closed. */
export interface Daemon extends AsyncDisposable {
  /** Path of the unix socket. */
  readonly address: string;
  /** HOST:PORT */
  readonly metricsAddress: string | undefined;
  /**
   * Stops the daemon in three steps, so that a pull, which makes one call after another, is not interrupted:
   *
   * 1. It serves until no call has run for half a second, but at most for 30 seconds.
   * 2. It accepts no more connections. Running calls have until 60 seconds after the call of `close`.
   * 3. It aborts the remaining calls. They leave nothing behind.
   *
   * Its socket is deleted. A socket of systemd stays, and callers wait there for the next daemon. A second call does
   * nothing.
   */
  close(): Promise<void>;
}
