import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { loadImage, unloadImage } from '../image/image-files.js';
import { startRegistry } from '../image/registry.js';
import { measureInTurn } from '../measure.js';
import type { Results } from '../results.js';
import { networkContenders } from './network-contenders.js';

/** Of a distant registry that limits each connection. */
const LATENCY_MS = 50;
const BYTES_PER_SECOND = 20e6;
const PROXY = join(import.meta.dirname, 'proxy-process.js');

const IMAGES = ['one large layer', 'one small layer'] as const;

/** Pulls from a distant registry and from one on this machine. @param dir in memory */
export async function measureNetwork(results: Results, dir: string): Promise<void> {
  using registry = startRegistry(join(dir, 'registry'));
  const proxy = await startProxy(registry.host);
  try {
    for (const input of IMAGES) {
      const image = loadImage(input, dir);
      results.inputs.push(image.size);
      const name = input.replaceAll(' ', '-');
      registry.push(image.layout, name);
      unloadImage(image);
      // A pull of the small one takes less than a second for every tool.
      const isSmall = input === 'one small layer';
      const rounds = isSmall ? results.rounds * 2 : Math.min(results.rounds, 3);
      for (const [group, host] of [
        ['distant', proxy.host],
        ['near', registry.host],
      ] as const) {
        const contenders = networkContenders(`${host}/${name}:latest`);
        const chosen = isSmall ? contenders.map((one) => ({ ...one, slow: false })) : contenders;
        results.measurements.push(...measureInTurn(chosen, { group, input, dir, rounds }));
      }
    }
  } finally {
    proxy.process.kill();
  }
}

/** The proxy has a process of its own, because the event loop of this one waits for the contenders. */
async function startProxy(
  behind: string,
): Promise<{ readonly host: string; readonly process: ChildProcess }> {
  const words = [PROXY, behind, String(LATENCY_MS), String(BYTES_PER_SECOND)];
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [host] = (await once(child.stdout, 'data')) as [Buffer];
  return { host: host.toString().trim(), process: child };
}
