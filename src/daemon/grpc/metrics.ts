import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { OverlayerError } from '../../base/errors.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { FinishedCall } from './calls.js';

/** Buckets from a lookup to the unpacking of a large layer. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];

/** The daemon's metrics for Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'overlayer_requests_total',
    help: 'Finished requests by their outcome',
    labelNames: ['service', 'method', 'code'],
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: 'overlayer_request_duration_seconds',
    help: 'Duration of requests',
    labelNames: ['service', 'method'],
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #layerBytes = new Counter({
    name: 'overlayer_layer_bytes_total',
    help: 'Bytes of unpacked layers, compressed and uncompressed',
    labelNames: ['form'],
    registers: [this.#registry],
  });

  /** @param running returns the number of running requests */
  constructor(running: () => number) {
    new Gauge({
      name: 'overlayer_requests_running',
      help: 'Running requests',
      registers: [this.#registry],
      collect() {
        this.set(running());
      },
    });
  }

  countCall({ path, code, seconds }: FinishedCall): void {
    const [, service = '', method = ''] = path.split('/');
    this.#requests.inc({ service, method, code });
    this.#durations.observe({ service, method }, seconds);
  }

  countLayer({ compressedSize, size }: { readonly compressedSize: number; readonly size: number }): void {
    this.#layerBytes.inc({ form: 'compressed' }, compressedSize);
    this.#layerBytes.inc({ form: 'uncompressed' }, size);
  }

  /**
   * Answers `GET /metrics` with these metrics and those of the process.
   *
   * @param address HOST:PORT; port 0 takes a free port
   * @throws OverlayerError `InvalidArgument`; `Unavailable`: another process has the port
   */
  async serve(address: string): Promise<MetricsServer> {
    collectDefaultMetrics({ register: this.#registry });
    const server = createServer(async (request, response) => {
      if (request.url !== '/metrics') return void response.writeHead(404).end();
      response.setHeader('content-type', this.#registry.contentType);
      response.end(await this.#registry.metrics());
    });
    try {
      server.listen(parseHostAndPort(address));
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
        throw new OverlayerError('Unavailable', `Another process listens on ${address}`, { cause: error });
      if (['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'].includes((error as NodeJS.ErrnoException).code!))
        throw new OverlayerError(
          'InvalidArgument',
          `Cannot listen on ${address}: this machine does not have the address`,
          {
            hint: 'give --metrics an address of this machine, such as 127.0.0.1:9273',
            cause: error,
          },
        );
      throw toOverlayerError(error, `Cannot listen on ${address}`);
    }
    const { address: host, family, port } = server.address() as AddressInfo;
    return {
      address: `${family === 'IPv6' ? `[${host}]` : host}:${port}`,
      async close() {
        server.close();
        server.closeAllConnections();
        await once(server, 'close');
      },
    };
  }
}

interface MetricsServer {
  /** HOST:PORT */
  readonly address: string;
  close(): Promise<void>;
}

function parseHostAndPort(address: string): { readonly host: string; readonly port: number } {
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(address) ?? [];
  const port = Number(digits);
  const host = ipv6 ?? name;
  if (host !== undefined && port <= 65535) return { host, port };
  throw new OverlayerError('InvalidArgument', `Not HOST:PORT: "${address}"`, {
    hint: 'such as 127.0.0.1:9273 or [::1]:9273',
  });
}
