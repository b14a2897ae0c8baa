import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadService, type ServiceName } from '../../src/daemon/grpc/load-services.js';
import { fromStatus } from '../../src/daemon/grpc/status.js';

export interface Client {
  ask<Answer = object>(method: string, request: object, signal?: AbortSignal): Promise<Answer>;
  /** All answers of a stream. */
  list<Answer>(method: string, request: object): Promise<Answer[]>;
  stream<Answer>(method: string, request: object): ClientReadableStream<Answer>;
  converse<Request, Answer>(method: string): ClientDuplexStream<Request, Answer>;
  close(): void;
}

const LIMIT = 64 << 20;

/** What answers with an error fails as the library does. */
export function connect(service: ServiceName, address: string, namespace = 'default'): Client {
  const Constructor: ServiceClientConstructor = makeClientConstructor(loadService(service), service);
  // A connection of its own: what happens to one is not to happen to others.
  const client = new Constructor(`unix:${address}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': LIMIT,
    'grpc.max_receive_message_length': LIMIT,
  });
  const metadata = new Metadata();
  metadata.set('containerd-namespace', namespace);
  const stream = <Answer>(method: string, request: object) =>
    client[method]!(request, metadata) as ClientReadableStream<Answer>;
  return {
    stream,
    ask: (method, request, signal) =>
      new Promise((resolve, reject) => {
        const call: ClientUnaryCall = client[method]!(
          request,
          metadata,
          (error: Error | null, answer: never) =>
            error === null ? resolve(answer) : reject(fromStatus(error, method)),
        );
        signal?.addEventListener('abort', () => call.cancel());
      }),
    async list<Answer>(method: string, request: object) {
      const answers: Answer[] = [];
      try {
        for await (const answer of stream<Answer>(method, request)) answers.push(answer);
      } catch (error) {
        throw fromStatus(error, method);
      }
      return answers;
    },
    converse: <Request, Answer>(method: string) =>
      client[method]!(metadata) as ClientDuplexStream<Request, Answer>,
    close: () => client.close(),
  };
}
