import { execFileSync } from 'node:child_process';
import { createReadStream, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openImageArchive } from '../../src/image/source/open-local-images.js';
import { useContent } from '../content/use-content.js';
import { cut } from '../helpers/decompress.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { readImage } from '../helpers/read-image.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const content = useContent();
let directory: string;

/** Extended headers come about by a time with a fraction, an attribute, and a name that ustar has no room for. */
const LONG_NAME = `blobs/sha256/${'n'.repeat(180)}`;

beforeAll(() => {
  directory = makeWorkDirectory();
  const layout = writeFiles(join(directory, 'layout'), layoutFiles({ [LONG_NAME]: 'x' }));
  utimesSync(join(layout, 'index.json'), 1_700_000_000.25, 1_700_000_000.25);
  execFileSync('setfattr', ['-n', 'user.a', '-v', 'b'.repeat(900), join(layout, 'oci-layout')]);
});
afterAll(() => rmSync(directory, { recursive: true }));

const python = (format: string) =>
  `python3 -c "import tarfile; t = tarfile.open('image.tar', 'w', format=tarfile.${format}_FORMAT); t.add('layout', arcname='.'); t.close()"`;

/** By a shell, in a folder that has the layout. */
const WRITERS = {
  'GNU tar, gnu': 'tar --format=gnu -C layout -cf image.tar .',
  'GNU tar, oldgnu': 'tar --format=oldgnu -C layout -cf image.tar .',
  'GNU tar, posix': 'tar --format=posix --xattrs -C layout -cf image.tar .',
  'GNU tar, posix with a global header':
    'tar --format=posix --pax-option=comment=image -C layout -cf image.tar .',
  'GNU tar, ustar': `tar --format=ustar --exclude=${LONG_NAME} -C layout -cf image.tar .`,
  'bsdtar, pax': 'bsdtar --format=pax --xattrs -C layout -cf image.tar .',
  'bsdtar, gnutar': 'bsdtar --format=gnutar -C layout -cf image.tar .',
  'bsdtar, ustar': `bsdtar --format=ustar --exclude ${LONG_NAME} -C layout -cf image.tar .`,
  'Python, pax': python('PAX'),
  'Python, gnu': python('GNU'),
  'Python, ustar': `rm layout/${LONG_NAME}; ${python('USTAR')}; echo x > layout/${LONG_NAME}`,
} as const;

const SOURCES = {
  file: (path: string) => path,
  'compressed file': (path: string) => {
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    return `${path}.gz`;
  },
  'stream of Node': (path: string) => createReadStream(path),
  'small pieces': (path: string) => cut(readFileSync(path), 700),
} as const;

describe.each(Object.entries(WRITERS))('an image archive by %s', (_, command) => {
  beforeAll(() => {
    execFileSync('sh', ['-c', command], { cwd: directory });
  });

  test.each(Object.entries(SOURCES))('%s', async (_, open) => {
    await using source = await openImageArchive(open(join(directory, 'image.tar')), {
      content: content.store,
    });
    const [image] = await source.images();
    expect(image?.name).toBe('docker.io/library/sample:1');
    expect((await readImage(source, image!)).paths).toEqual([['one'], ['two']]);
  });
});
