import {
  credentials,
  Metadata,
  makeClientConstructor,
  type requestCallback,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadService, type ServiceName } from '../grpc/load-services.js';
import { MESSAGE_LIMITS } from '../grpc/message-limits.js';
import { fromStatus } from '../grpc/status.js';

/** Bytes on their way that nobody has asked for yet: node's 64 KiB would mean a round trip for each message. */
const WINDOW = 4 << 20;

/** Has a method for each of the service's. */
export type Client = InstanceType<ServiceClientConstructor>;

/**
 * A service of the containerd that has its socket at `address`. It connects when it is first used, and again whenever
 * containerd was started again; clients of one address share a connection.
 */
export function connect(service: ServiceName, address: string): Client {
  const ServiceClient = makeClientConstructor(loadService(service), service);
  return new ServiceClient(`unix:${address}`, credentials.createInsecure(), {
    ...MESSAGE_LIMITS,
    'grpc.max_reconnect_backoff_ms': 3000,
    'grpc-node.flow_control_window': WINDOW,
  });
}

/** @param lease that is to hold what is made */
export function inNamespace(name: string, lease?: string): Metadata {
  const metadata = new Metadata();
  metadata.set('containerd-namespace', name);
  if (lease !== undefined) metadata.set('containerd-lease', lease);
  return metadata;
}

/** A call with one answer. @throws OverlayerError what is answered instead */
export async function ask<Answer>(
  client: Client,
  method: string,
  request: object,
  metadata = new Metadata(),
): Promise<Answer> {
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const done: requestCallback<Answer> = (error, answer) =>
        error === null ? resolve(answer!) : reject(error);
      client[method]!(request, metadata, done);
    });
  } catch (error) {
    throw fromStatus(error, `Cannot ask containerd at ${client.getChannel().getTarget()}`);
  }
}
