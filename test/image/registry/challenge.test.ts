import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../src/image/registry/auth/fetch-token.js';

const parse = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('what registries send', () => {
  test.each([
    [
      'Docker Hub',
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/debian:pull',
          },
        ],
      ],
    ],
    ['htpasswd', 'Basic realm="Registry Realm"', [['basic', { realm: 'Registry Realm' }]]],
    [
      'two at once',
      'Basic realm="a, b", charset=UTF-8, BEARER Realm="x" , Scope = "y"',
      [
        ['basic', { realm: 'a, b', charset: 'UTF-8' }],
        ['bearer', { realm: 'x', scope: 'y' }],
      ],
    ],
    [
      'one without parameters, and one with a bare token',
      'Negotiate, NTLM dGVzdA==, Basic realm=x',
      [
        ['negotiate', {}],
        ['ntlm', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['quotes within quotes', 'Basic realm="a\\"b\\\\"', [['basic', { realm: 'a"b\\' }]]],
    ['nothing', '', []],
    ['rubbish', '="', []],
  ])('%s', (_, header, challenges) => {
    expect(parse(header)).toEqual(challenges);
  });
});

test('any challenges come back', () => {
  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const parameters = fc.dictionary(token, fc.string({ maxLength: 12 }), { noNullPrototype: true });
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
  const write = ([scheme, values]: [string, Record<string, string>]) =>
    [
      scheme,
      Object.entries(values)
        .map(([name, value]) => `${name}=${quoted(value)}`)
        .join(', '),
    ].join(' ');
  fc.assert(
    fc.property(fc.array(fc.tuple(token, parameters)), (challenges) => {
      expect(parse(challenges.map(write).join(', '))).toEqual(challenges);
    }),
  );
});

test('what is hostile takes no time', () => {
  for (const part of [' ', ',', 'a', 'a ', 'a=', '"', '\\', 'a="', 'a=,', 'a =\t'])
    expect(parse(part.repeat(16_384 / part.length)).length).toBeLessThan(16_384);
}, 2000);
