import { describe, expect } from 'vitest';
import { entryText, test } from '../../helpers/two-trees.js';

// The cases of containerd's TestDiffTar and TestSourceDateEpoch (pkg/archive, tar_test.go), with what it wants to see.

interface Case {
  readonly before: string;
  readonly after: string;
  readonly entries: readonly string[];
}

const cases: Record<string, Case> = {
  EmptyDiff: { before: 'mkdir etc', after: ':', entries: [] },
  ParentInclusion: {
    before: 'mkdir d1; mkdir -m 770 d2',
    after: 'mkdir -m 700 d1/d; echo -n ok > d2/f',
    entries: ['d1/ 0755', 'd1/d/ 0700', 'd2/ 0770', 'd2/f 0644 ok'],
  },
  HardlinkParentInclusion: {
    before: `mkdir d1 d2 d3 d4 d5 d6
      for file in d1/f1 d2/f1 d4/f1 d5/f1; do echo -n 'link me' > $file; done
      ln d1/f1 d6/l1; ln d5/f1 d6/l2`,
    after: 'ln d1/f1 d2/l1; ln d4/f1 d3/l1; rm d6/l1 d6/l2',
    entries: [
      'd2/ 0755',
      'd2/l1 0644 link me',
      // They have not changed, but are names of what has come to the layer.
      'd1/ 0755',
      'd1/f1 = d2/l1',
      'd3/ 0755',
      'd3/l1 0644 link me',
      'd4/ 0755',
      'd4/f1 = d3/l1',
      'd6/ 0755',
      'd6/.wh.l1 0000',
      'd6/.wh.l2 0000',
    ],
  },
  UpdateDirectoryPermission: {
    before: 'mkdir d1; mkdir -m 770 d2',
    after: 'chmod 777 d1; mkdir -m 700 d1/d; echo -n ok > d2/f',
    entries: ['d1/ 0777', 'd1/d/ 0700', 'd2/ 0770', 'd2/f 0644 ok'],
  },
  HardlinkUpdatedParent: {
    before: `mkdir d1 d2 d3 d4; for file in d1/f1 d2/f1 d3/f1; do echo -n 'link me' > $file; done`,
    after: 'chmod 777 d1; ln d1/f1 d2/l1; chmod 777 d4; ln d3/f1 d4/l1',
    entries: [
      'd1/ 0777',
      'd2/ 0755',
      'd2/l1 0644 link me',
      'd1/f1 = d2/l1',
      'd4/ 0777',
      'd4/l1 0644 link me',
      'd3/ 0755',
      'd3/f1 = d4/l1',
    ],
  },
  WhiteoutIncludesParents: {
    before: `mkdir d1 d2 d3 d4 d5
      for file in d1/f1 d2/f1 d2/f2 d3/f1 d4/f1 d5/f1; do echo -n content > $file; done`,
    after: `rm d1/f1 d2/f1 d3/f1 d4/f1; chmod 777 d2/f2; rm -r d5
      echo -n content > d3/f2; echo -n content > d4/f0`,
    entries: [
      'd1/ 0755',
      'd1/.wh.f1 0000',
      'd2/ 0755',
      'd2/.wh.f1 0000',
      'd2/f2 0777 content',
      'd3/ 0755',
      'd3/.wh.f1 0000',
      'd3/f2 0644 content',
      'd4/ 0755',
      'd4/f0 0644 content',
      'd4/.wh.f1 0000',
      '.wh.d5 0000',
    ],
  },
  WhiteoutParentRemoval: {
    before: 'mkdir d1 d2; echo -n content > d2/f1',
    after: 'rm -r d1 d2; mkdir d3',
    entries: ['.wh.d1 0000', '.wh.d2 0000', 'd3/ 0755'],
  },
  IgnoreSockets: {
    before: 'echo -n content > f1',
    after: `echo -n content > f2; echo -n content > f3
      python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s0")'`,
    entries: ['f2 0644 content', 'f3 0644 content'],
  },
};

describe.each(Object.entries(cases))('%s', (_, { before, after, entries }) => {
  test('entries, in their order', async ({ trees }) => {
    trees.make(before, after);
    expect((await trees.entries()).map(entryText)).toEqual(entries);
  });
});

test('SourceDateEpoch bounds times; a whiteout has none', async ({ trees }) => {
  trees.make(
    'echo -n content > f1',
    `rm f1; echo -n content2 > f2; touch -d 2022-01-01T00:00:00Z f2; echo -n content3 > f3`,
  );
  const sourceDateEpoch = new Date('2022-01-23T12:34:56.789Z');
  const entries = await trees.entries({ sourceDateEpoch });
  expect(entries.map(({ path, mtimeSec, mtimeNsec }) => [path, mtimeSec, mtimeNsec])).toEqual([
    ['.wh.f1', 0, 0],
    ['f2', Date.UTC(2022, 0, 1) / 1000, 0],
    ['f3', Date.UTC(2022, 0, 23, 12, 34, 56) / 1000, 0],
  ]);
});
