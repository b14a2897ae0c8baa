import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

/** Of the messages' definitions, which refer to each other from there. */
const PROTO = join(fileURLToPath(import.meta.resolve('#proto/containerd/types/mount.proto')), '../../..');

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
  const all = loadSync(file, { includeDirs: [PROTO], longs: Number, enums: String, defaults: true });
  const service = all[`containerd.services.${name}.v1.${capitalized(name)}`] as ServiceDefinition;
  loaded.set(name, service);
  return service;
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
