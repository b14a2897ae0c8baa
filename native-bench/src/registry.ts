import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.js';

const HOST = '127.0.0.1:5055';

export interface Registry {
  /** Of its one image. */
  readonly reference: string;
  stop(): void;
}

/** Debian's docker-registry with the image of an OCI layout; its blobs are at `dir`, in memory. */
export function startRegistry(dir: string, layout: string): Registry {
  mkdirSync(dir);
  const config = join(dir, 'config.json');
  // YAML, which JSON is too.
  const settings = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(dir, 'blobs') } },
    http: { addr: HOST, secret: 'of this benchmark' },
  };
  writeFileSync(config, JSON.stringify(settings));
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore', env });
  run([
    'curl',
    '--silent',
    '--retry',
    '50',
    '--retry-connrefused',
    '--retry-delay',
    '1',
    `http://${HOST}/v2/`,
  ]);
  const reference = `${HOST}/image:latest`;
  const quietly = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
  run([...quietly, `oci:${layout}:image`, `docker://${reference}`]);
  return { reference, stop: () => registry.kill() };
}
