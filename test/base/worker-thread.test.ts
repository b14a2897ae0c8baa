import { describe, expect, test } from 'vitest';
import { threadFailure } from '../../src/base/threads/worker-thread.js';

describe('a thread that does not start', () => {
  test('for lack of descriptors: the hint says what to do', () =>
    expect(threadFailure(new Error('Worker initialization failure: EMFILE'))).toMatchObject({
      ...{ code: 'ResourceExhausted', errno: 'EMFILE' },
      hint: 'raise the limit of open files (ulimit -n)',
    }));

  test('for anything else: a defect', () =>
    expect(threadFailure(new Error('the thread has ended'))).toMatchObject({ code: 'Internal' }));
});
