import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { CallingContainerd } from '../../src/daemon/containerd/calling-containerd.js';
import { loadService } from '../../src/daemon/grpc/load-services.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

/** A client of what listens at the address. */
function callerAt(address: string): CallingContainerd {
  const caller = new CallingContainerd(address);
  onTestFinished(() => caller.close());
  return caller;
}

test('it sees the mounts of its own namespace, and no others', () =>
  inWorkDirectory(async (at) => {
    const server = createServer().listen(at('socket'));
    await once(server, 'listening');
    expect(callerAt(at('socket')).sees('/proc')).toBe(true);
    expect(callerAt(at('socket')).sees('/not mounted')).toBe(false);
    server.close();
  }));

test('where no process listens, nothing speaks against it', () =>
  inWorkDirectory(async (at) => {
    expect(callerAt(join(at('missing'), 'socket')).sees('/not mounted')).toBe(true);
  }));

test.each([
  ['1.7.24~ds1', false],
  ['2.1.9', false],
  ['v2.2.0', true],
  ['2.10.1', true],
  ['3.0.0-beta.1', true],
])('version %s has a mount manager: %s', (version, expected) =>
  inWorkDirectory(async (at) => {
    const server = new Server();
    server.addService(loadService('version'), {
      version: (_: unknown, answer: sendUnaryData<object>) => answer(null, { version }),
    });
    await new Promise((resolve) =>
      server.bindAsync(`unix:${at('socket')}`, ServerCredentials.createInsecure(), resolve),
    );
    expect(await callerAt(at('socket')).takesTemplates()).toBe(expected);
    server.forceShutdown();
  }),
);
