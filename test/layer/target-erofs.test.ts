import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readErofsLayer, readErofsTar, unpackLayer, verifyErofsLayer } from '../../src/layer/index.js';
import { dir, file, hardlink, tar } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const lower = tar(dir('etc', { mode: 0o700 }), file('etc/motd', 'hello'));
const upper = tar(file('etc/new', 'text'), hardlink('etc/again', 'etc/motd'), file('.wh.gone', ''));

const make = (source: Uint8Array, path: string, lowers: readonly string[] = []) =>
  unpackLayer(source, path, { target: 'erofs', lowers });

describe('the target erofs', () => {
  test('makes one file that holds the tar, byte for byte', () =>
    inWorkDirectory(async (at) => {
      const { diffID, entries, compression } = await make(gzipSync(lower), at('layer.erofs'));
      expect({ entries, compression }).toEqual({ entries: 2, compression: 'gzip' });
      expect(readErofsLayer(at('layer.erofs'))).toMatchObject({ diffID, dependsOnLowers: false });
      await verifyErofsLayer(at('layer.erofs'));
      expect(await buffer(readErofsTar(at('layer.erofs')))).toEqual(lower);
      expect(readdirSync(at('.'))).toEqual(['layer.erofs']);
    }));

  test('gives the same bytes each time, from any compression', () =>
    inWorkDirectory(async (at) => {
      await make(lower, at('a.erofs'));
      await make(gzipSync(lower), at('b.erofs'));
      expect(readFileSync(at('a.erofs'))).toEqual(readFileSync(at('b.erofs')));
    }));

  test('takes what it needs from lower layers, in directories and in layer files', () =>
    inWorkDirectory(async (at) => {
      await make(lower, at('lower.erofs'));
      await unpackLayer(lower, at('lower'), { target: 'overlay' });
      await make(upper, at('on-file.erofs'), [at('lower.erofs')]);
      await make(upper, at('on-directory.erofs'), [at('lower')]);
      expect(readErofsLayer(at('on-file.erofs')).dependsOnLowers).toBe(true);
      await verifyErofsLayer(at('on-file.erofs'));
      expect(readFileSync(at('on-file.erofs'))).toEqual(readFileSync(at('on-directory.erofs')));
    }));

  test('refuses a name that is taken, and leaves that file as it is', () =>
    inWorkDirectory(async (at) => {
      writeFileSync(at('layer.erofs'), 'mine');
      await expect(make(lower, at('layer.erofs'))).rejects.toMatchObject({ code: 'AlreadyExists' });
      expect(readFileSync(at('layer.erofs'), 'utf8')).toBe('mine');
      expect(readdirSync(at('.'))).toEqual(['layer.erofs']);
    }));

  test('leaves nothing of a layer that is cut off', () =>
    inWorkDirectory(async (at) => {
      await expect(make(lower.subarray(0, 1300), at('layer.erofs'))).rejects.toMatchObject({
        code: 'DataLoss',
      });
      expect(readdirSync(at('.'))).toEqual([]);
    }));

  test('leaves nothing of a layer with another diffID', () =>
    inWorkDirectory(async (at) => {
      const diffID = `sha256:${'0'.repeat(64)}` as const;
      const made = unpackLayer(lower, at('layer.erofs'), { target: 'erofs', diffID });
      await expect(made).rejects.toMatchObject({ code: 'DataLoss' });
      expect(readdirSync(at('.'))).toEqual([]);
    }));

  test.each([
    [{ existing: 'merge' }, 'cannot be merged into an EROFS file'],
    [{ digests: 'skip' }, 'needs its diffID'],
  ] as const)('refuses the options %o', (options, message) =>
    inWorkDirectory(async (at) => {
      const made = unpackLayer(lower, at('layer.erofs'), { target: 'erofs', ...options });
      await expect(made).rejects.toThrow(message);
      expect(existsSync(at('layer.erofs'))).toBe(false);
    }),
  );
});
