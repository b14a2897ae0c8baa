import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../run.js';

const HOST = '127.0.0.1:5055';

export interface Registry extends Disposable {
  readonly host: string;
  /** Copies the image of an OCI layout to it. Returns its reference. */
  push(layout: string, name: string): string;
  /** Removes what was pushed. */
  empty(): void;
}

/** Starts Debian's docker-registry. Its files are in `dir`, in memory, and are removed at its end. */
export function startRegistry(dir: string): Registry {
  mkdirSync(dir);
  const config = join(dir, 'config.json');
  const blobs = join(dir, 'blobs');
  // The format is YAML, and each JSON document is one.
  const settings = {
    version: '0.1',
    // It keeps nothing in memory, so that its files can be removed.
    storage: { filesystem: { rootdirectory: blobs } },
    http: { addr: HOST, secret: 'of this benchmark' },
  };
  writeFileSync(config, JSON.stringify(settings));
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore', env });
  const retries = ['--retry', '50', '--retry-connrefused', '--retry-delay', '1'];
  run(['curl', '--silent', ...retries, `http://${HOST}/v2/`]);
  return {
    host: HOST,
    push(layout, name) {
      const reference = `${HOST}/${name}:latest`;
      const quietly = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
      run([...quietly, `oci:${layout}:image`, `docker://${reference}`]);
      return reference;
    },
    empty: () => rmSync(blobs, { recursive: true, force: true }),
    [Symbol.dispose]() {
      registry.kill();
      rmSync(dir, { recursive: true });
    },
  };
}
