import { once } from 'node:events';
import { resolve } from 'node:path';
import {
  type ContainerdConfigVersion,
  containerdConfig,
  openSnapshotter,
  serve as startDaemon,
} from '../../index.js';
import type { RootFlags } from '../flags/root-flags.js';
import { abortOnSignals } from '../interruption.js';
import { logLine } from '../render/log-line.js';
import { reportFailure } from '../report-failure.js';

/** Where the unit for systemd has them (`daemon/systemd/`). */
const ROOT = '/var/lib/overlayer-containerd';
const ADDRESS = '/run/overlayer/overlayer.sock';

export interface ServeFlags extends Pick<RootFlags, 'root' | 'backend'> {
  readonly address?: string;
  readonly name?: string;
  readonly containerdAddress?: string;
  readonly metrics?: string;
  readonly log: 'text' | 'json';
  /** A part, or a file of its own of that version. */
  readonly printContainerdConfig?: true | '2' | '3' | '4';
  readonly onlyRemapIds?: boolean;
}

/** Until SIGTERM or SIGINT, which end it in good order. */
export async function serve(flags: ServeFlags): Promise<number> {
  const { root = ROOT, containerdAddress: containerd, log, ...rest } = flags;
  const say = (message: string, fields = {}) =>
    process.stderr.write(logLine({ time: new Date(), level: 'info', message, fields }, log));
  const stop = abortOnSignals();
  try {
    const daemon = await startDaemon({
      ...{ ...rest, root, containerd },
      onLog: (entry) => process.stderr.write(logLine(entry, log)),
    });
    const { address, metricsAddress } = daemon;
    say('serving', { address, root, ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }) });
    if (!stop.aborted) await once(stop, 'abort');
    say('stopping', { reason: stop.reason.message });
    await daemon.close();
    return 0;
  } catch (error) {
    return reportFailure(error, { json: log === 'json' });
  }
}

export async function printContainerdConfig(flags: ServeFlags): Promise<number> {
  const { root = ROOT, backend, address = ADDRESS, name, onlyRemapIds } = flags;
  const { printContainerdConfig: version } = flags;
  try {
    // What it is capable of depends on the kernel and the file system there.
    await using snapshots = await openSnapshotter({ root, backend });
    const { capabilities } = snapshots.backend;
    process.stdout.write(
      containerdConfig({
        address: resolve(address),
        root: resolve(root),
        version: typeof version === 'string' ? (Number(version) as ContainerdConfigVersion) : undefined,
        ...{ name, capabilities, onlyRemapIds },
      }),
    );
    return 0;
  } catch (error) {
    return reportFailure(error, {});
  }
}
