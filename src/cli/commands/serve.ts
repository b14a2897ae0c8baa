import { once } from 'node:events';
import { resolve } from 'node:path';
import {
  type ContainerdConfigVersion,
  containerdConfig,
  displayJson,
  displayPath,
  type LogEntry,
  openSnapshotter,
  serve as startDaemon,
} from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { ServeFlags } from '../flags/store-flags.js';
import { standardError, standardOutput } from '../standard-streams.js';

/** The paths of the systemd units (`daemon/systemd/`). */
const ROOT = '/var/lib/overlayer-containerd';
const ADDRESS = '/run/overlayer/overlayer.sock';

/** Runs the daemon until SIGTERM or SIGINT, which stop it in good order. @returns the exit code */
export async function serve(flags: ServeFlags): Promise<number> {
  const { root = ROOT, backend, address, name, containerdAddress: containerd, metrics, log } = flags;
  const say = (message: string, fields = {}) =>
    standardError.write(logLine({ time: new Date(), level: 'info', message, fields }, log));
  const stop = abortOnSignals();
  try {
    const daemon = await startDaemon({
      ...{ root, backend, address, name, containerd, metrics },
      onLog: (entry) => standardError.write(logLine(entry, log)),
    });
    const { metricsAddress } = daemon;
    const listening = metricsAddress === undefined ? {} : { metrics: metricsAddress };
    say('serving', { address: daemon.address, root, ...listening });
    if (!stop.aborted) await once(stop, 'abort');
    say('stopping', { reason: stop.reason.message });
    await daemon.close();
    return 0;
  } catch (error) {
    return reportFailure(error, { json: log === 'json' });
  }
}

/** Prints containerd's configuration for this daemon. @returns the exit code */
export async function printContainerdConfig(flags: ServeFlags): Promise<number> {
  const { root = ROOT, backend, address = ADDRESS, name, onlyRemapIds } = flags;
  const { printContainerdConfig: version } = flags;
  try {
    // The capabilities depend on the kernel and on the file system of the root.
    await using snapshots = await openSnapshotter({ root, backend });
    const { capabilities } = snapshots.backend;
    standardOutput.write(
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

/** One line: JSON, or time, level and message with `name=value` for each field. */
function logLine({ time, level, message, fields }: LogEntry, form: 'text' | 'json'): string {
  if (form === 'json') return `${displayJson({ time, level, message, ...fields })}\n`;
  const words = Object.entries(fields).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return `${[time.toISOString(), level.padEnd(5), message, ...words].join(' ')}\n`;
}

/** Keys and errors come from callers, and may hold line ends and escape sequences. */
function quoted(value: string): string {
  const shown = displayPath(value);
  return /[\s"=]/.test(shown) ? JSON.stringify(shown) : shown;
}
