import type { OpenStoreOptions } from '../image/store/store.js';
import type { LogEntry } from './grpc/log-entry.js';

/** What the daemon serves, and where. */
export interface ServeOptions extends OpenStoreOptions {
  /**
   * Path of the unix socket, which only its owner may use. One that a dead process has left is taken over.
   * @default the socket that systemd hands over
   */
  readonly address?: string | undefined;
  /** By which containerd's configuration calls the snapshotter. @default 'overlayer' */
  readonly name?: string | undefined;
  /**
   * Path of containerd's own socket: layers are read from its content store.
   * @default '/run/containerd/containerd.sock'
   */
  readonly containerd?: string | undefined;
  /** HOST:PORT where Prometheus asks for metrics; of port 0 any that is free. @default nowhere */
  readonly metrics?: string | undefined;
  /** Is told of each request that changes something or fails. @default nobody is */
  readonly onLog?: ((entry: LogEntry) => void) | undefined;
}

/** Serves until it is closed. */
export interface Daemon extends AsyncDisposable {
  /** Path of the unix socket. */
  readonly address: string;
  /** HOST:PORT */
  readonly metricsAddress: string | undefined;
  /**
   * Serves on until no call was under way for half a second, so that a pull that makes one call after the other is not cut
   * off; for half a minute at the most. Then it takes no more calls, and what is under way has another half: after that it
   * ends as when its caller goes away, and leaves nothing behind. The socket goes, but for one that systemd holds: whoever
   * calls waits there for the next daemon. A second time does nothing.
   */
  close(): Promise<void>;
}
