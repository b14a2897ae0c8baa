import { expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import {
  countParts,
  escapeTemplate,
  fillTemplates,
  typeOf,
  withoutTemplates,
} from '../../src/mount/templates.js';

const EARLIER = ['a', 'b', 'c'].map((name) => ({
  mount: { type: 'erofs', source: `/${name}.erofs`, target: `below/${name}`, options: ['ro'] },
  place: `/at/${name}`,
}));
const formatted = (option: string): Mount => ({
  type: 'format/overlay',
  source: 'overlay',
  options: [option],
});

test.each([
  ['lowerdir={{ overlay 0 2 }}', 'lowerdir=/at/a:/at/b:/at/c'],
  ['lowerdir={{ overlay 2 0 }}', 'lowerdir=/at/c:/at/b:/at/a'],
  ['lowerdir={{overlay 1 1}}', 'lowerdir=/at/b'],
  ['lowerdir=/x:{{ mount 0 }}:{{ mount 2 }}/y', 'lowerdir=/x:/at/a:/at/c/y'],
  ['a={{ source 1 }}', 'a=/b.erofs'],
  ['a={{ target 1 }}', 'a=below/b'],
  ['a=}} { { mount 0 }', 'a=}} { { mount 0 }'],
])('%s', (option, filled) => {
  expect(fillTemplates(formatted(option), EARLIER)).toEqual({
    type: 'overlay',
    source: 'overlay',
    options: [filled],
  });
});

test('a place that is in the range twice is one layer, the nearest', () => {
  const [a, b] = EARLIER as [(typeof EARLIER)[0], (typeof EARLIER)[0]];
  const { options } = fillTemplates(formatted('lowerdir={{ overlay 0 3 }}'), [a, b, a, b]);
  expect(options).toEqual(['lowerdir=/at/a:/at/b']);
});

test.each([
  '{{ mount 3 }}',
  '{{ overlay 0 3 }}',
  '{{ overlay 99999999999999999999 0 }}',
  '{{ overlay 1 }}',
  '{{ mount 0 1 }}',
  '{{ mount -1 }}',
  '{{ mount }}',
  '{{ print "x" }}',
  '{{ {{ mount 0 }} }}',
  '{{ mount 0',
  '{{}}',
])('%s is refused', (option) => {
  expect(() => fillTemplates(formatted(option), EARLIER)).toThrow(
    expect.objectContaining({
      code: 'InvalidArgument',
      message: expect.stringContaining('Mount template "'),
    }),
  );
});

test('text that replaces a template is not filled again', () => {
  const mount = { type: 'bind', source: '{{ mount 0 }}', options: [] };
  const filled = fillTemplates(formatted('a={{ source 0 }}'), [{ mount, place: '/at/{{ mount 0 }}' }]);
  expect(filled.options).toEqual(['a={{ mount 0 }}']);
});

test('only mounts with the step "format" have templates', () => {
  const mount = { type: 'overlay', source: 'overlay', options: ['lowerdir={{ mount 7 }}'] };
  expect(fillTemplates(mount, [])).toEqual(mount);
});

test('a source and a target have templates too', () => {
  const mount = {
    type: 'format/mkdir/bind',
    source: '{{ mount 0 }}/x',
    target: '{{ target 1 }}',
    options: ['rbind'],
  };
  expect(fillTemplates(mount, EARLIER)).toEqual({
    type: 'bind',
    source: '/at/a/x',
    target: 'below/b',
    options: ['rbind'],
  });
});

test.each([
  [['erofs', 'erofs', 'format/overlay'], 2],
  [['erofs', 'format/bind', 'tmpfs'], 1],
  [['bind', 'tmpfs'], 0],
  [['erofs'], 0],
  [[], 0],
])('parts of %j', (types, count) => {
  expect(countParts(types.map((type) => ({ type, source: '', options: [] })))).toBe(count);
});

test('a step that makes a file system is refused', () => {
  const mount = { type: 'mkfs/ext4', source: '/rwlayer.img', options: [] };
  expect(() => countParts([mount])).toThrow(
    expect.objectContaining({ code: 'Unimplemented', message: 'Mount type "mkfs/ext4" is not supported' }),
  );
  expect(typeOf(mount)).toBe('ext4');
});

test('a list for a program that knows no templates', () => {
  const [first, second] = EARLIER.map(({ mount }) => mount);
  const mounts = [first!, second!, formatted('lowerdir={{ overlay 0 1 }}')];
  expect(withoutTemplates(mounts, (index) => `/a:${index}`)).toEqual({
    parts: [first, second],
    mounts: [{ type: 'overlay', source: 'overlay', options: ['lowerdir=/a\\:0:/a\\:1'] }],
  });
});

test('escaped text stays as it was', () => {
  const path = '/{{ mount 0 }}/}}/{{{/{{"{{"}}';
  const mount: Mount = {
    type: 'format/overlay',
    source: 'overlay',
    options: [`upperdir=${escapeTemplate(path)}`],
  };
  expect(fillTemplates(mount, []).options).toEqual([`upperdir=${path}`]);
});
