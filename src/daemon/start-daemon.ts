import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { OverlayerError } from '../base/errors.js';
import { openStore } from '../image/open-store.js';
import type { Store } from '../image/store.js';
import { activatedSocket } from './activated-socket.js';
import { Calls } from './calls.js';
import { ContainerdContent } from './containerd-content.js';
import { contentService } from './content-service.js';
import { diffService } from './diff-service.js';
import { FilledSnapshots } from './filled-snapshots.js';
import { type Methods, toHandlers } from './handlers.js';
import { loadServices, type Services } from './load-services.js';
import { logCall } from './log-call.js';
import { MESSAGE_LIMITS } from './message-limits.js';
import { Metrics } from './metrics.js';
import type { Daemon, ServeOptions } from './serve.js';
import { snapshotsService } from './snapshots-service.js';
import { type ListeningSocket, listenOn } from './socket.js';

const CONTAINERD = '/run/containerd/containerd.sock';
/** For what is under way when the daemon stops. */
const GRACE_MS = 10_000;
/** For the last answers to go out. */
const FLUSH_MS = 1000;

/** See `serve`. */
export async function startDaemon(options: ServeOptions): Promise<Daemon> {
  const { address, metrics: metricsAddress, onLog, name = 'overlayer', containerd = CONTAINERD } = options;
  /** What ends what was begun, the last first. */
  const ends: (() => Promise<void> | void)[] = [];
  const end = async () => {
    for (let each = ends.pop(); each !== undefined; each = ends.pop()) await each();
  };
  try {
    const store = await openStore(options);
    ends.push(() => store.close());
    await checkIsOwn(store, options.root);
    const client = new ContainerdContent(containerd);
    ends.push(() => client.close());

    const metrics = new Metrics(() => calls.count);
    const calls = new Calls((call) => {
      metrics.countCall(call);
      const entry = logCall(call);
      if (entry !== undefined) onLog?.(entry);
    });
    const metricsServer = metricsAddress === undefined ? undefined : await metrics.serve(metricsAddress);
    if (metricsServer !== undefined) ends.push(() => metricsServer.close());

    const { snapshots, content } = store;
    const filled = new FilledSnapshots(snapshots);
    const own = { snapshots, filled, directory: join(realpathSync(options.root), 'snapshots') };
    const methods: Record<keyof Services, Methods> = {
      snapshots: snapshotsService({ snapshots, name, filled }),
      diff: diffService({ own, content, containerd: client, onLayer: (layer) => metrics.countLayer(layer) }),
      content: contentService(content),
    };
    const socket = await openSocket(address);
    ends.push(serveOn(socket, methods, calls));
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= end();
      return closed;
    };
    return {
      address: socket.address,
      metricsAddress: metricsServer?.address,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkIsOwn(store: Store, root: string): Promise<void> {
  const [image] = await store.images.list();
  if (image === undefined) return;
  throw new OverlayerError('FailedPrecondition', `There are images in "${root}", such as "${image.name}"`, {
    hint: "choose another root: containerd's garbage collection would remove what it does not know",
  });
}

async function openSocket(address: string | undefined): Promise<ListeningSocket> {
  const socket = address === undefined ? await activatedSocket() : await listenOn(address);
  if (socket !== undefined) return socket;
  throw new OverlayerError('InvalidArgument', 'No address to listen on, and systemd hands over no socket');
}

/** @returns what waits for the calls under way, and ends */
function serveOn(
  socket: ListeningSocket,
  methods: Record<keyof Services, Methods>,
  calls: Calls,
): () => Promise<void> {
  const server = new Server(MESSAGE_LIMITS);
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);
  for (const [service, definition] of Object.entries(loadServices()))
    server.addService(definition, toHandlers(definition, methods[service as keyof Services], calls));
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  socket.server.on('connection', (connection) => injector.injectConnection(connection));
  return async () => {
    const disconnected = once(socket.server, 'close');
    health.setStatus('', 'NOT_SERVING');
    await socket.close();
    await calls.end(GRACE_MS);
    injector.drain(FLUSH_MS);
    await disconnected;
    server.forceShutdown();
  };
}
