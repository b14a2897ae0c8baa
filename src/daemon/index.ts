/**
 * `overlayer/daemon`: a snapshotter, differ and content store for containerd, served over gRPC on a socket.
 *
 * @module overlayer/daemon
 */

// Serving containerd; the configuration that connects containerd to the daemon.

export {
  type ContainerdConfigOptions,
  type ContainerdConfigVersion,
  containerdConfig,
} from './containerd/containerd-config.js';
export type { Daemon, ServeOptions } from './daemon.js';
export type { LogEntry } from './grpc/log-call.js';
export { serve } from './serve.js';

// Errors, which all entry points share.

export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
