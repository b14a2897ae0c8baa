import { join } from 'node:path';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { OverlayerError } from '../../base/errors.js';
import { findPackage } from '../../base/installed-package.js';

const FILES = {
  snapshots: 'snapshots',
  diff: 'diff',
  content: 'content',
  leases: 'leases',
  namespaces: 'namespace',
  introspection: 'introspection',
  version: 'version',
} as const;

/** containerd's services in `proto/`. Of the last four the daemon is only a client. */
export type ServiceName = keyof typeof FILES;

const loaded = new Map<ServiceName, ServiceDefinition>();

/** Loads the definition of a service. The files `…-messages.ts` have the types of its messages. */
export function loadService(name: ServiceName): ServiceDefinition {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const file = `containerd/services/${name}/v1/${FILES[name]}.proto`;
  // Numbers are exact for sizes below 2^53, and no disk is larger.
  const all = loadSync(file, { includeDirs: [definitions()], longs: Number, enums: String, defaults: true });
  const service = all[`containerd.services.${name}.v1.${capitalized(name)}`] as ServiceDefinition;
  loaded.set(name, service);
  return service;
}

/** The folder that imports in `.proto` files are relative to. */
function definitions(): string {
  const folder = findPackage();
  if (folder !== undefined) return join(folder, 'dist/daemon/proto');
  throw new OverlayerError('FailedPrecondition', 'Cannot find dist/daemon/proto of the package overlayer', {
    hint: 'install overlayer where the app runs, and keep it out of the bundle',
  });
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Most bytes of a message in both directions: containerd's limit for proxy plugins (defaults.DefaultMaxRecvMsgSize). */
const BYTES = 16 << 20;

export const MESSAGE_LIMITS = {
  'grpc.max_receive_message_length': BYTES,
  'grpc.max_send_message_length': BYTES,
};
