import { join } from 'node:path';
import { type Client, credentials, makeClientConstructor } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { fromStatus } from '../../src/daemon/grpc/status.js';

const definitions = loadSync(join(import.meta.dirname, 'cri.proto'), {
  ...{ keepCase: false, longs: Number, enums: String, defaults: true },
});

/** What a kubelet asks of its runtime (`cri.proto`). */
export class CriClient {
  readonly #services: Readonly<Record<'RuntimeService' | 'ImageService', Client>>;

  /** @param address path of containerd's socket */
  constructor(address: string) {
    const connect = (name: string): Client => {
      const Service = makeClientConstructor(definitions[`runtime.v1.${name}`] as ServiceDefinition, name);
      return new Service(`unix:${address}`, credentials.createInsecure());
    };
    this.#services = { RuntimeService: connect('RuntimeService'), ImageService: connect('ImageService') };
  }

  run<Answer = object>(method: string, request: object): Promise<Answer> {
    return this.#ask('RuntimeService', method, request);
  }

  image<Answer = object>(method: string, request: object): Promise<Answer> {
    return this.#ask('ImageService', method, request);
  }

  #ask<Answer>(service: 'RuntimeService' | 'ImageService', method: string, request: object): Promise<Answer> {
    const client = this.#services[service] as Client & Record<string, (...args: unknown[]) => unknown>;
    return new Promise((resolve, reject) => {
      client[method]!(request, (error: Error | null, answer: Answer) =>
        error === null ? resolve(answer) : reject(fromStatus(error, method)),
      );
    });
  }

  close(): void {
    for (const client of Object.values(this.#services)) client.close();
  }
}
