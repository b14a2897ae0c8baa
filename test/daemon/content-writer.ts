import { createHash } from 'node:crypto';
import type { WriteRequest, WriteResponse } from '../../src/daemon/content/content-messages.js';
import { fromStatus } from '../../src/daemon/grpc/status.js';
import type { Client } from './grpc-client.js';

export interface Writer {
  send(request: Partial<WriteRequest>): Promise<WriteResponse>;
  end(): void;
  cancel(): void;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** One writer: each request gets its answer. */
export function openWriter(client: Client): Writer {
  const call = client.converse<Partial<WriteRequest>, WriteResponse>('write');
  const answers = call[Symbol.asyncIterator]();
  return {
    async send(request) {
      call.write(request);
      try {
        return (await answers.next()).value;
      } catch (error) {
        throw fromStatus(error, 'write');
      }
    },
    end: () => call.end(),
    cancel: () => call.cancel(),
  };
}

export async function writeBlob(client: Client, ref: string, bytes: Uint8Array): Promise<WriteResponse> {
  const writer = openWriter(client);
  await writer.send({ action: 'STAT', ref });
  for (let offset = 0; offset < bytes.length; offset += 1 << 20)
    await writer.send({ action: 'WRITE', offset, data: bytes.subarray(offset, offset + (1 << 20)) });
  const request = { action: 'COMMIT', offset: bytes.length, total: bytes.length } as const;
  return await writer.send({ ...request, expected: digestOf(bytes), labels: { from: 'here' } });
}
