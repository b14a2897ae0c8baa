import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatFamiliar,
  formatReference,
  parseReference,
  type ReferenceParts,
} from '../../src/image/reference.js';
import { OverlayerError } from '../../src/index.js';

const HEX = '0123456789abcdef'.repeat(4);
const DIGEST = `sha256:${HEX}`;

describe('what people write', () => {
  // The first of each is what docker itself takes, the second what it makes of it (distribution/reference).
  test.each([
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:12', 'docker.io/library/debian:12'],
    [`debian@${DIGEST}`, `docker.io/library/debian@${DIGEST}`],
    [`debian:12@${DIGEST}`, `docker.io/library/debian:12@${DIGEST}`],
    ['user/image', 'docker.io/user/image:latest'],
    ['docker.io/debian', 'docker.io/library/debian:latest'],
    ['docker.io/library/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/user/image:1', 'docker.io/user/image:1'],
    ['localhost', 'docker.io/library/localhost:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['localhost/image', 'localhost/image:latest'],
    ['localhost:5000/image', 'localhost:5000/image:latest'],
    ['registry:5000/a/b/c:1', 'registry:5000/a/b/c:1'],
    ['ghcr.io/a/b', 'ghcr.io/a/b:latest'],
    ['REGISTRY/a', 'REGISTRY/a:latest'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    ['[2001:db8::1]/a', '[2001:db8::1]/a:latest'],
    ['a/b__c/d.e/f--g/h_i', 'docker.io/a/b__c/d.e/f--g/h_i:latest'],
    ['a:_Tag.1-2', 'docker.io/library/a:_Tag.1-2'],
  ])('%s is %s', (text, name) => {
    expect(parseReference(text).name).toBe(name);
  });

  test('all parts', () => {
    expect(parseReference(`ghcr.io/a/b:1.0@${DIGEST}`)).toEqual({
      domain: 'ghcr.io',
      repository: 'a/b',
      tag: '1.0',
      digest: DIGEST,
      name: `ghcr.io/a/b:1.0@${DIGEST}`,
    });
  });
});

describe('refused', () => {
  test.each([
    ['nothing', ''],
    ['only a tag', ':12'],
    ['only a digest', `@${DIGEST}`],
    ['64 digits', HEX],
    ['an empty tag', 'debian:'],
    ['an empty digest', 'debian@'],
    ['a tag of 129 characters', `debian:${'a'.repeat(129)}`],
    ['a tag that begins with a dot', 'debian:.1'],
    ['two tags', 'debian:1:2'],
    ['a short digest', 'debian@sha256:abc'],
    ['capitals', 'user/Image'],
    ['a capital without a domain', 'Debian'],
    ['three underscores', 'a___b'],
    ['two dots', 'a..b'],
    ['a way up', 'ghcr.io/../a'],
    ['an empty part', 'ghcr.io/a//b'],
    ['a slash at the end', 'ghcr.io/a/'],
    ['a slash at the beginning', '/a'],
    ['a space', 'debian :12'],
    ['a line feed', 'debian\n'],
    ['a URL', 'https://ghcr.io/a'],
    ['a transport', 'docker://debian'],
    ['a port that is none', 'ghcr.io:port/a'],
    ['a port that is too great', 'ghcr.io:65536/a'],
    ['an address that is too great', '256.1.1.1/a'],
    ['an address of nothing but colons', '[:::]/a'],
    ['a user', 'user:secret@ghcr.io/a'],
    ['256 characters', `ghcr.io/${'a'.repeat(248)}`],
    ['no end', 'a'.repeat(1_000_000)],
  ])('%s', (_, text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });

  test('another digest algorithm', () => {
    const parse = () => parseReference(`debian@sha512:${HEX}${HEX}`);
    expect(parse).toThrow(expect.objectContaining({ code: 'Unimplemented' }));
  });
});

test('what moves a cursor is not shown', () => {
  expect(() => parseReference('a\x1b[2J')).toThrow('"a\\x1b[2J"');
});

test('a tag of 128 characters and a name of 255 are allowed', () => {
  expect(parseReference(`a:${'t'.repeat(128)}`).tag).toHaveLength(128);
  expect(parseReference(`ghcr.io/${'a'.repeat(247)}`).repository).toHaveLength(247);
});

describe('any reference', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
  const separator = fc.constantFrom('.', '_', '__', '-', '---');
  const component = fc
    .tuple(word, fc.array(fc.tuple(separator, word), { maxLength: 2 }))
    .map(([first, more]) => first + more.flat().join(''));
  const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const domain = fc.constantFrom(
    'docker.io',
    'localhost',
    'ghcr.io',
    'HOST',
    'a-b.c:5000',
    '10.0.0.1',
    '[::1]:80',
  );
  const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined });
  const digest = fc.option(fc.constant(DIGEST as `sha256:${string}`), { nil: undefined });
  const references: fc.Arbitrary<ReferenceParts> = fc
    .record({ domain, repository, tag, digest })
    .filter((parts) => parts.tag !== undefined || parts.digest !== undefined)
    .filter((parts) => parts.domain !== 'docker.io' || parts.repository.includes('/'));

  test('comes back from its canonical form', () => {
    fc.assert(
      fc.property(references, (parts) => {
        const name = formatReference(parts);
        expect(parseReference(name)).toEqual({ ...parts, name });
      }),
    );
  });

  test('comes back from its form for people', () => {
    fc.assert(
      fc.property(references, (parts) => {
        expect(parseReference(formatFamiliar(parts))).toEqual(parseReference(formatReference(parts)));
      }),
    );
  });
});

test('the form for people leaves out what is filled in', () => {
  const familiar = (text: string) => formatFamiliar(parseReference(text));
  expect(familiar('docker.io/library/debian:latest')).toBe('debian');
  expect(familiar('docker.io/library/a/b:1')).toBe('library/a/b:1');
  expect(familiar(`docker.io/user/image:latest@${DIGEST}`)).toBe(`user/image:latest@${DIGEST}`);
  expect(familiar('ghcr.io/a/b:latest')).toBe('ghcr.io/a/b');
});

test('any text is a reference whose name is its own, or refused with a typed error', () => {
  const nearly = fc.string({ unit: fc.constantFrom(...'aB1./:@-_[] \n'), maxLength: 30 });
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string()), (text) => {
      try {
        const { name } = parseReference(text);
        expect(parseReference(name).name).toBe(name);
      } catch (error) {
        if (!OverlayerError.is(error)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});
