import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('./proto', import.meta.url));

/** What `proto/` says, in the form of messages that `messages.ts` describes. */
export interface Services {
  readonly snapshots: ServiceDefinition;
  readonly diff: ServiceDefinition;
  readonly content: ServiceDefinition;
}

let loaded: Services | undefined;

export function loadServices(): Services {
  loaded ??= load();
  return loaded;
}

function load(): Services {
  const names = ['snapshots', 'diff', 'content'] as const;
  const files = names.map((name) => `containerd/services/${name}/v1/${name}.proto`);
  // Sizes stay below 2^53: a disk has fewer bytes.
  const all = loadSync(files, { includeDirs: [PROTO], longs: Number, enums: String, defaults: true });
  const service = (name: string) => all[`containerd.services.${name}`] as ServiceDefinition;
  return {
    snapshots: service('snapshots.v1.Snapshots'),
    diff: service('diff.v1.Diff'),
    content: service('content.v1.Content'),
  };
}
