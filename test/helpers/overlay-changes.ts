import fc from 'fast-check';

/** Things that processes do in a root filesystem, as a line of shell each; what does not work there does nothing. */
const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const text = fc.nat(1000);

const change: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(path, text).map(([at, value]) => `[ -p ${at} ] || echo ${value} > ${at}`),
  },
  { weight: 3, arbitrary: path.map((at) => `mkdir -p ${at}`) },
  { weight: 4, arbitrary: path.map((at) => `rm -rf ${at}`) },
  { weight: 3, arbitrary: path.map((at) => `rm -rf ${at}; mkdir ${at} && echo new > ${at}/c`) },
  { weight: 3, arbitrary: fc.tuple(path, path).map(([from, to]) => `mv -T ${from} ${to}`) },
  { weight: 3, arbitrary: fc.tuple(path, path).map(([from, to]) => `ln ${from} ${to}`) },
  { weight: 2, arbitrary: fc.tuple(path, path).map(([to, at]) => `ln -sn ${to} ${at}`) },
  { weight: 2, arbitrary: path.map((at) => `chmod 711 ${at}`) },
  { weight: 2, arbitrary: path.map((at) => `touch -h ${at}`) },
  { weight: 1, arbitrary: fc.tuple(path, text).map(([at, value]) => `setfattr -n user.x -v ${value} ${at}`) },
  { weight: 1, arbitrary: path.map((at) => `rm -f ${at}; mkfifo ${at}`) },
  { weight: 1, arbitrary: fc.constant('touch .') },
);

export const overlayChanges: fc.Arbitrary<readonly string[]> = fc.array(change, {
  minLength: 1,
  maxLength: 12,
});

/** All of them in one line, in a directory. */
export function changesIn(directory: string, changes: readonly string[]): string {
  const lines = changes.map((line) => `{ ${line}; } 2>/dev/null`);
  return `(cd '${directory}' && { ${lines.join('; ')}; true; })`;
}
