import { once } from 'node:events';
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  sendUnaryData,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { orAborted } from '../../base/abort.js';
import type { CallContext, Calls } from './calls.js';
import { toStatus } from './status.js';

/**
 * The methods of a service, by name. A method that answers with a stream is a generator. A method that takes a stream
 * gets an iterable of requests.
 */
export type Methods = Readonly<
  Record<string, (request: never, context: CallContext) => Promise<object> | AsyncIterable<object>>
>;

/** Makes gRPC's handlers of a service. @param methods calls wait for it */
export function toHandlers(
  definition: ServiceDefinition,
  methods: Promise<Methods>,
  calls: Calls,
): UntypedServiceImplementation {
  let ready: Methods | undefined;
  methods.then(
    (all) => (ready = all),
    () => {}, // waiting calls report it
  );
  return Object.fromEntries(
    Object.entries(definition).map(([name, { requestStream, responseStream }]) => {
      const method = async (request: unknown, context: CallContext) => {
        const all = ready ?? (await orAborted(() => methods, context.signal));
        return all[name]!(request as never, context);
      };
      if (!responseStream) return [name, answerOnce(method as Unary, calls)];
      return [name, requestStream ? converse(method as Many, calls) : answerWithMany(method as Many, calls)];
    }),
  );
}

type Unary = (request: unknown, context: CallContext) => Promise<object>;
/** The request may be an iterable of requests. */
type Many = (request: unknown, context: CallContext) => Promise<AsyncIterable<object>>;

function answerOnce(method: Unary, calls: Calls): UntypedHandleCall {
  return (call: ServerUnaryCall<unknown, object>, callback: sendUnaryData<object>) => {
    calls
      .run(call, (context) => method(call.request, context))
      .then(
        (answer) => callback(null, answer),
        (error) => callback(toStatus(error)),
      );
  };
}

function answerWithMany(method: Many, calls: Calls): UntypedHandleCall {
  return (call: ServerWritableStream<unknown, object>) =>
    answer(call, calls, (context) => method(call.request, context));
}

function converse(method: Many, calls: Calls): UntypedHandleCall {
  return (call: ServerDuplexStream<unknown, object>) => {
    answer(call, calls, (context) => method(requestsOf(call, context.signal), context));
  };
}

/** The requests of a stream, until its end or the signal. A caller can leave a stream open for ever. */
async function* requestsOf(
  call: ServerDuplexStream<unknown, object>,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  // `return` must not destroy the stream, because the last answer is sent after it.
  const requests = call.iterator({ destroyOnReturn: false });
  for (;;) {
    const { done, value } = await orAborted(() => requests.next(), signal);
    if (done) return;
    yield value;
  }
}

function answer(
  call: ServerWritableStream<unknown, object> | ServerDuplexStream<unknown, object>,
  calls: Calls,
  method: (context: CallContext) => Promise<AsyncIterable<object>>,
): void {
  calls
    .run(call, async (context) => {
      // The method waits for a slow reader.
      for await (const message of await method(context))
        if (!call.write(message)) await once(call, 'drain', { signal: context.signal });
    })
    .then(
      () => call.end(),
      (error) => call.emit('error', toStatus(error)),
    );
}

/** Items in one message, the same number as containerd's. It needs few round trips, and stays below the size limit. */
const BATCH = 100;

/** Groups items for the messages of a stream. */
export async function* batches<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
