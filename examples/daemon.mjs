// A snapshotter, differ and content store for containerd, inside a program of your own.
// `overlayer serve --print-containerd-config` prints what containerd's configuration needs.
import { serve } from 'overlayer/daemon';

const [address = 'overlayer.sock', root = 'snapshots'] = process.argv.slice(2);

const daemon = await serve({
  root,
  address,
  metrics: '127.0.0.1:0',
  onLog: ({ level, message }) => console.log(level, message),
});
console.log(`serving on ${daemon.address}, metrics on http://${daemon.metricsAddress}/metrics`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => daemon.close());
