import { EventEmitter, once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ServiceName } from '../../src/daemon/grpc/load-services.js';
import { type Daemon, type LogEntry, type ServeOptions, serve } from '../../src/index.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { type Client, connect } from './grpc-client.js';

export interface UsedDaemon {
  readonly directory: string;
  readonly daemon: Daemon;
  /** The next entry of the log. */
  nextEntry(): Promise<LogEntry>;
  connect(service: ServiceName): Client;
}

/** A daemon in this process, for one test. */
export async function useDaemon(options: Partial<ServeOptions> = {}): Promise<UsedDaemon> {
  const directory = makeWorkDirectory();
  const log = new EventEmitter();
  const daemon = await serve({
    ...{ root: join(directory, 'root'), address: join(directory, 'socket') },
    ...{ containerd: join(directory, 'containerd'), onLog: (entry: LogEntry) => log.emit('entry', entry) },
    ...options,
  });
  const clients: Client[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.close();
    await daemon.close();
    rmSync(directory, { recursive: true });
  });
  return {
    ...{ directory, daemon },
    nextEntry: async () => (await once(log, 'entry'))[0],
    connect(service) {
      const client = connect(service, daemon.address);
      clients.push(client);
      return client;
    },
  };
}
