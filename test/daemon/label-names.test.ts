import { expect, test } from 'vitest';
import type { StatResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { useDaemon } from './use-daemon.js';

test.each(['__proto__', 'constructor'])('a label may be called %s', async (name) => {
  const { connect } = await useDaemon();
  const snapshots = connect('snapshots');
  const labels = Object.fromEntries([[name, 'value']]);
  await snapshots.ask('prepare', { snapshotter: 'overlayer', key: 'a', labels });
  const { info } = await snapshots.ask<StatResponse>('stat', { snapshotter: 'overlayer', key: 'a' });
  expect(Object.entries(info.labels)).toEqual([[name, 'value']]);
});
