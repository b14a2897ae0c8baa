/** Where overlayer gives another tree than a tool, and why. */
interface Difference {
  readonly reason: string;
  readonly archives: readonly string[];
  readonly tools: readonly ('tar' | 'bsdtar')[];
  readonly lines: readonly string[];
}

const BOTH = ['tar', 'bsdtar'] as const;
const A99 = 'a'.repeat(99);
const D60 = 'd'.repeat(60);
const D90 = 'd'.repeat(90);

const DIFFERENCES: readonly Difference[] = [
  {
    reason:
      'A directory that the archive does not list has no time to restore. Ours is always the epoch, so that the ' +
      'same layer gives the same tree; the tools leave the time of unpacking.',
    archives: ['bsdtar-v7.tar', 'gnu-v7.tar'],
    tools: BOTH,
    lines: ['dir: mtime should be now, is 0'],
  },
  {
    reason: 'the same',
    archives: ['gnu-ustar-prefix.tar'],
    tools: BOTH,
    lines: ['long: mtime should be now, is 0', `long/${D60}: mtime should be now, is 0`],
  },
  {
    reason: 'the same',
    archives: ['python-gnu.tar', 'python-pax.tar', 'python-ustar.tar'],
    tools: BOTH,
    lines: [`${D90}: mtime should be now, is 0`],
  },
  {
    reason:
      "overlayfs's own attributes are stored escaped, so that an image can't forge a whiteout or an opaque " +
      'directory. The tools do not know of overlayfs.',
    archives: ['bsdtar-xattrs.tar', 'gnu-xattrs.tar'],
    tools: BOTH,
    lines: [
      'attrs: xattrs should be [["trusted.overlay.opaque","y"]], is [["trusted.overlay.overlay.opaque","y"]]',
    ],
  },
  {
    reason:
      'bsdtar lists directories before it goes into them, GNU tar sets the time of one when an entry of another ' +
      'comes: what comes later in the first one changes it again. Ours come last.',
    archives: ['bsdtar-gnutar-long-names.tar', 'bsdtar-pax-long-names.tar'],
    tools: ['tar'],
    lines: [
      `long/${A99}: mtime should be now, is <archived>`,
      `long/${D60}: mtime should be now, is <archived>`,
    ],
  },
  {
    reason:
      'POSIX writes -1.75 for a time of 1.75 s before the epoch, and so do GNU tar and Python. bsdtar 3.6 adds the ' +
      'digits behind the point to whole seconds that are negative, both when it writes and when it reads.',
    archives: ['bsdtar-pax.tar'],
    tools: ['bsdtar'],
    lines: ['dir/none: mtime should be -1750000000, is -2250000000'],
  },
  {
    reason: 'the same',
    archives: ['gnu-posix.tar'],
    tools: ['bsdtar'],
    lines: ['dir/none: mtime should be -250000000, is -1750000000'],
  },
];

export function expectedDifferences(archive: string, tool: 'tar' | 'bsdtar'): readonly string[] {
  const known = DIFFERENCES.find(({ archives, tools }) => archives.includes(archive) && tools.includes(tool));
  return known?.lines ?? [];
}
