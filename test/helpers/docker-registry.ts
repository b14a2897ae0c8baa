import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Descriptor } from '../../src/oci/descriptor.js';

/** How it asks who is there; each is a section of docker-registry's configuration. */
export type RegistryAuth = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Debian's docker-registry, on a port of this machine. Its blobs are in a directory of their own. */
export class DockerRegistry {
  readonly #config: string;
  #process: ChildProcess;
  /** `127.0.0.1:…` */
  readonly host: string;

  private constructor(config: string, child: ChildProcess, host: string) {
    this.#config = config;
    this.#process = child;
    this.host = host;
  }

  /** @param directory for the blobs; what is in it already is served */
  static async start(directory: string, auth?: RegistryAuth): Promise<DockerRegistry> {
    mkdirSync(directory, { recursive: true });
    const config = join(directory, 'config.json');
    // YAML, which JSON is too.
    const settings = (host: string) => ({
      version: '0.1',
      storage: { filesystem: { rootdirectory: join(directory, 'blobs') } },
      http: { addr: host, secret: 'of these tests' },
      ...(auth === undefined ? {} : { auth }),
    });
    writeFileSync(config, JSON.stringify(settings('127.0.0.1:0')));
    const { child, host } = await serve(config);
    writeFileSync(config, JSON.stringify(settings(host)));
    return new DockerRegistry(config, child, host);
  }

  /** As if the machine had lost its power. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'close');
  }

  /** On the same port. */
  async restart(): Promise<void> {
    this.#process = (await serve(this.#config)).child;
  }
}

async function serve(config: string): Promise<{ readonly child: ChildProcess; readonly host: string }> {
  const child = spawn('docker-registry', ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const lines: string[] = [];
  for await (const line of createInterface(child.stderr!)) {
    lines.push(line);
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host === undefined) continue;
    child.stderr!.resume();
    return { child, host };
  }
  throw new Error(`docker-registry does not start:\n${lines.join('\n')}`);
}

/** An image of one layer in an OCI layout, and what it is made of. */
export interface SampleImage {
  /** For skopeo: `oci:/…:tag`. */
  readonly location: string;
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layer: Descriptor;
  bytes(blob: Descriptor): Buffer;
}

/** @param contents of its only file */
export function makeSampleImage(directory: string, contents: Uint8Array): SampleImage {
  const layout = join(directory, 'layout');
  const file = join(directory, 'contents');
  writeFileSync(file, contents);
  const umoci = (...args: string[]) =>
    execFileSync('umoci', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  umoci('init', '--layout', layout);
  umoci('new', '--image', `${layout}:sample`);
  umoci('insert', '--image', `${layout}:sample`, file, '/contents');
  const bytes = ({ digest }: Descriptor) => readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const { mediaType, digest, size } = index.manifests[0];
  const manifest = { mediaType, digest, size };
  const { config, layers } = JSON.parse(bytes(manifest).toString());
  return { location: `oci:${layout}:sample`, manifest, config, layer: layers[0], bytes };
}

/** @param to `127.0.0.1:…/repository:tag` @param credentials `name:password` */
export async function push(
  image: Pick<SampleImage, 'location'>,
  to: string,
  credentials?: string,
): Promise<void> {
  const args = ['copy', '--quiet', '--insecure-policy', '--dest-tls-verify=false'];
  if (credentials !== undefined) args.push(`--dest-creds=${credentials}`);
  const child = spawn('skopeo', [...args, image.location, `docker://${to}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`skopeo failed: ${errors}`);
}
