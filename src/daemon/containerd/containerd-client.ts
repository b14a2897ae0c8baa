import {
  credentials,
  Metadata,
  makeClientConstructor,
  type requestCallback,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadService, MESSAGE_LIMITS, type ServiceName } from '../grpc/load-services.js';
import { fromStatus } from '../grpc/status.js';

/** Bytes that containerd may send ahead. Node's default of 64 KiB costs a round trip for each message. */
const WINDOW = 4 << 20;

/** A client with a method for each method of the service. */
export type Client = InstanceType<ServiceClientConstructor>;

/**
 * Makes a client of a service of containerd, whose socket is at `address`. It connects at its first use, and reconnects
 * after a restart of containerd. Clients of one address share a connection.
 */
export function connect(service: ServiceName, address: string): Client {
  const ServiceClient = makeClientConstructor(loadService(service), service);
  return new ServiceClient(`unix:${address}`, credentials.createInsecure(), {
    ...MESSAGE_LIMITS,
    'grpc.max_reconnect_backoff_ms': 3000,
    'grpc-node.flow_control_window': WINDOW,
  });
}

/** The headers of a call. @param lease holds the results of the call */
export function inNamespace(name: string, lease?: string): Metadata {
  const metadata = new Metadata();
  metadata.set('containerd-namespace', name);
  if (lease !== undefined) metadata.set('containerd-lease', lease);
  return metadata;
}

/** Makes a call with one answer. @throws OverlayerError with the code of containerd's status */
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
