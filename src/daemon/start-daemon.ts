import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { OverlayerError } from '../base/errors.js';
import { openStore } from '../image/store/open-store.js';
import type { Store } from '../image/store/store.js';
import { warmUp } from '../layer/unpack-layer.js';
import { KEPT_MOUNTS, KeptMounts } from '../mount/kept-mounts.js';
import { layerFiles, sharedLayers } from '../snapshot/store/layer-files.js';
import { notifySystemd } from '../system/unix-socket.js';
import { CallingContainerd } from './containerd/calling-containerd.js';
import { ContainerdContent } from './containerd/containerd-content.js';
import { contentService } from './content/content-service.js';
import type { Daemon, ServeOptions } from './daemon.js';
import { Calls } from './grpc/calls.js';
import { type Methods, toHandlers } from './grpc/handlers.js';
import { loadService, MESSAGE_LIMITS } from './grpc/load-services.js';
import { logCall } from './grpc/log-call.js';
import { Metrics } from './grpc/metrics.js';
import {
  activatedSocket,
  Connections,
  type ListeningSocket,
  listenOn,
  type OnConnection,
} from './grpc/socket.js';
import { diffService } from './layers/diff-service.js';
import { FilledSnapshots } from './layers/filled-snapshots.js';
import { layerOpener } from './layers/open-layer.js';
import { CallerMounts } from './snapshots/caller-mounts.js';
import { snapshotsService } from './snapshots/snapshots-service.js';

const CONTAINERD = '/run/containerd/containerd.sock';
/** A daemon that stops accepts new calls for this long. */
const SERVING_MS = 30_000;
/** Running calls are aborted this long after the stop began. */
const GRACE_MS = 60_000;
/** A client that called this recently probably calls again: a pull makes one call right after another. */
const QUIET_MS = 500;
/** Time for the last answers to be sent. */
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
  opened.catch(() => {}); // waiting calls report it
  // The socket comes first: gRPC for Go gives up a connection that is not accepted within a second. Calls wait for the
  // services.
  const serving = await serveOn(address, opened, calls);
  /** Undo the steps of the start, the latest first. */
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
  const path = realpathSync(root);
  const own = { snapshots, filled, directory: join(path, 'snapshots') };
  const caller = new CallingContainerd(containerd);
  ends.push(() => caller.close());
  const mounts = new CallerMounts(
    new KeptMounts(join(path, KEPT_MOUNTS), () => layerFiles(own.directory)),
    caller,
  );
  await mounts.release();
  const open = layerOpener(content, client);
  return {
    snapshots: snapshotsService({ own, open, name, mounts, layers: () => sharedLayers(path) }),
    diff: diffService({
      own,
      open,
      mounts,
      containerd: client,
      onLayer: (layer) => metrics.countLayer(layer),
    }),
    content: contentService(content),
  };
}

/** @throws OverlayerError `FailedPrecondition` */
async function checkIsOwn(store: Store, root: string): Promise<void> {
  const [image] = await store.images.list();
  if (image === undefined) return;
  throw new OverlayerError('FailedPrecondition', `The root "${root}" has images, such as "${image.name}"`, {
    hint: "choose another root: containerd's garbage collection deletes snapshots that it does not know",
  });
}

interface Serving {
  readonly address: string;
  /** Stops as `Daemon.close` describes. */
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
      // New calls are not refused: a client would abort its pull.
      const quiet = calls.quiet(QUIET_MS, AbortSignal.timeout(SERVING_MS));
      await Promise.race([quiet, connections.none()]);
      // The socket closes before clients are sent away (GOAWAY), because they reconnect at once.
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
  throw new OverlayerError(
    'InvalidArgument',
    'There is no address to listen on, and systemd passed no socket',
  );
}
