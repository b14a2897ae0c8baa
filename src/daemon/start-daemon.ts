import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { OverlayerError } from '../base/errors.js';
import { openStore } from '../image/store/open-store.js';
import type { Store } from '../image/store/store.js';
import { warmUp } from '../layer/unpack-layer.js';
import { notifySystemd } from '../system/notify-systemd.js';
import { ContainerdContent } from './containerd/containerd-content.js';
import { contentService } from './content/content-service.js';
import type { Daemon, ServeOptions } from './daemon.js';
import { activatedSocket } from './grpc/activated-socket.js';
import { Calls } from './grpc/calls.js';
import { Connections } from './grpc/connections.js';
import { type Methods, toHandlers } from './grpc/handlers.js';
import { loadService } from './grpc/load-services.js';
import { logCall } from './grpc/log-call.js';
import { MESSAGE_LIMITS } from './grpc/message-limits.js';
import { Metrics } from './grpc/metrics.js';
import { type ListeningSocket, listenOn, type OnConnection } from './grpc/socket.js';
import { diffService } from './layers/diff-service.js';
import { FilledSnapshots } from './layers/filled-snapshots.js';
import { layerOpener } from './layers/open-layer.js';
import { snapshotsService } from './snapshots/snapshots-service.js';

const CONTAINERD = '/run/containerd/containerd.sock';
/** How long a daemon that stops takes new calls, and how long what is under way may take. */
const SERVING_MS = 30_000;
const GRACE_MS = 60_000;
/** Whoever has called so lately calls again: a pull makes one call right after the other. */
const QUIET_MS = 500;
/** For the last answers to go out. */
const FLUSH_MS = 1000;

const SERVED = ['snapshots', 'diff', 'content'] as const;
type ServedMethods = Readonly<Record<(typeof SERVED)[number], Methods>>;

/** See `serve`. */
export async function startDaemon(options: ServeOptions): Promise<Daemon> {
  const { address, metrics: metricsAddress, onLog } = options;
  const metrics = new Metrics(() => calls.count);
  const calls = new Calls((call) => {
    metrics.countCall(call);
    const entry = logCall(call);
    if (entry !== undefined) onLog?.(entry);
  });
  let resolve!: (methods: ServedMethods) => void;
  let reject!: (error: unknown) => void;
  const opened = new Promise<ServedMethods>((...settle) => ([resolve, reject] = settle));
  opened.catch(() => {}); // calls that wait tell it
  // First: a caller whose connection is not answered within a second gives it up (gRPC for Go). Calls wait.
  const serving = await serveOn(address, opened, calls);
  /** What ends what was begun, the last first. */
  const ends: (() => Promise<void> | void)[] = [];
  const end = async () => {
    await serving.end();
    for (let each = ends.pop(); each !== undefined; each = ends.pop()) await each();
  };
  try {
    const metricsServer = metricsAddress === undefined ? undefined : await metrics.serve(metricsAddress);
    if (metricsServer !== undefined) ends.push(() => metricsServer.close());
    resolve(await openServices(options, metrics, ends));
    if (address === undefined) notifySystemd('READY=1');
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= end();
      return closed;
    };
    return {
      address: serving.address,
      metricsAddress: metricsServer?.address,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    reject(error);
    await end();
    throw error;
  }
}

async function openServices(
  options: ServeOptions,
  metrics: Metrics,
  ends: (() => Promise<void> | void)[],
): Promise<ServedMethods> {
  const { name = 'overlayer', containerd = CONTAINERD, root, backend } = options;
  const store = await openStore({ root, backend });
  ends.push(() => store.close());
  await checkIsOwn(store, root);
  const client = new ContainerdContent(containerd);
  ends.push(() => client.close());
  warmUp();
  const { snapshots, content } = store;
  const filled = new FilledSnapshots(snapshots);
  const own = { snapshots, filled, directory: join(realpathSync(root), 'snapshots') };
  const open = layerOpener(content, client);
  return {
    snapshots: snapshotsService({ own, open, name }),
    diff: diffService({ own, open, containerd: client, onLayer: (layer) => metrics.countLayer(layer) }),
    content: contentService(content),
  };
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkIsOwn(store: Store, root: string): Promise<void> {
  const [image] = await store.images.list();
  if (image === undefined) return;
  throw new OverlayerError('FailedPrecondition', `There are images in "${root}", such as "${image.name}"`, {
    hint: "choose another root: containerd's garbage collection would remove what it does not know",
  });
}

interface Serving {
  readonly address: string;
  /** Waits for the calls under way. */
  end(): Promise<void>;
}

async function serveOn(
  address: string | undefined,
  methods: Promise<ServedMethods>,
  calls: Calls,
): Promise<Serving> {
  const server = new Server(MESSAGE_LIMITS);
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);
  for (const name of SERVED) {
    const definition = loadService(name);
    server.addService(
      definition,
      toHandlers(
        definition,
        methods.then((all) => all[name]),
        calls,
      ),
    );
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Connections();
  const socket = await openSocket(address, (connection) => {
    connections.add(connection);
    injector.injectConnection(connection);
  });
  return {
    address: socket.address,
    async end() {
      health.setStatus('', 'NOT_SERVING');
      const grace = AbortSignal.timeout(GRACE_MS);
      // Callers are served as ever: they would take a refusal for the end of what they are at.
      const quiet = calls.quiet(QUIET_MS, AbortSignal.timeout(SERVING_MS));
      await Promise.race([quiet, connections.none()]);
      // At once: a caller that is sent away (GOAWAY) connects anew, and not to us.
      const closed = socket.close();
      injector.drain(FLUSH_MS);
      await closed;
      await calls.end(grace);
      await socket.disconnected;
      server.forceShutdown();
    },
  };
}

async function openSocket(address: string | undefined, onConnection: OnConnection): Promise<ListeningSocket> {
  if (address !== undefined) return await listenOn(address, onConnection);
  const socket = await activatedSocket(onConnection);
  if (socket !== undefined) return socket;
  throw new OverlayerError('InvalidArgument', 'No address to listen on, and systemd hands over no socket');
}
