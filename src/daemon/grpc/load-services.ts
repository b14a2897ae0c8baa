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
} as const;

/** Services of containerd's, by the files in `proto/`; of the last three only a client is here. */
export type ServiceName = keyof typeof FILES;

const loaded = new Map<ServiceName, ServiceDefinition>();

/** Its messages are those that the files `…-messages.ts` describe. */
export function loadService(name: ServiceName): ServiceDefinition {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const file = `containerd/services/${name}/v1/${FILES[name]}.proto`;
  // Sizes stay below 2^53: a disk has fewer bytes.
  const all = loadSync(file, { includeDirs: [definitions()], longs: Number, enums: String, defaults: true });
  const service = all[`containerd.services.${name}.v1.${capitalized(name)}`] as ServiceDefinition;
  loaded.set(name, service);
  return service;
}

/** The `.proto` files refer to each other from this folder. */
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
