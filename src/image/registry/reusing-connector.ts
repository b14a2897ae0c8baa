import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import connector from 'undici/lib/core/connect.js';

/** 64 KiB cost a fifth more time, 512 KiB no less. */
const READ_BYTES = 256 * 1024;
/** TLS gives no more at once. */
const TLS_READ_BYTES = 16 * 1024;
/** Less may end within the headers of an answer, no more than that: undici keeps those in the memory in which they came. */
const MOST_HEADERS_BYTES = 16 * 1024;

/**
 * Connections that read into the same two memories by turns, where a socket would take new memory for each read: to collect
 * that took 0.3 of the 0.7 s that it took to receive 352 MB. Whoever gets the bytes of a body has to copy them, at once.
 */
export function reusingConnector(timeoutMs: number): buildConnector.connector {
  const sessions = new Map<string, Buffer>();
  return (options, callback) => {
    const size = options.protocol === 'https:' ? TLS_READ_BYTES : READ_BYTES;
    const { hostname } = options;
    const session = sessions.get(hostname);
    let socket: Socket | null;
    let next: Uint8Array = Buffer.allocUnsafeSlow(size);
    let spare: Uint8Array | undefined;
    const connect = connector({
      timeout: timeoutMs,
      onread: {
        buffer: () => next,
        callback: (length, memory) => {
          const bytes = memory.subarray(0, length);
          if (length < MOST_HEADERS_BYTES) return socket?.push(Buffer.from(bytes)) ?? false;
          // What was read before is free again unless somebody has it still to read.
          next = socket?.readableLength === 0 && spare !== undefined ? spare : Buffer.allocUnsafeSlow(size);
          spare = memory;
          return socket?.push(bytes) ?? false;
        },
      },
      ...(session === undefined ? {} : { session }),
    });
    connect(options, (...connected) => {
      [, socket] = connected;
      socket?.on('session', (session: Buffer) => sessions.set(hostname, session));
      callback(...connected);
    });
  };
}
