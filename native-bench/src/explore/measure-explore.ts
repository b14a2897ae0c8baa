import { loadImage } from '../image/image-files.js';
import { type Contender, measureInTurn } from '../measure.js';
import { OVERLAYER, script } from '../paths.js';
import type { Results } from '../results.js';
import { shell } from '../run.js';

/** It takes the layers one after the other, on one core. */
export const DECODER = 'the decoder alone, one core';

/** The report on an image of five layers, from its archive. */
export function measureExplore(results: Results, dir: string): void {
  const { size, archive, layers } = loadImage('image', dir);
  results.inputs.push(size);
  const files = layers.map((layer) => layer.file('gzip'));
  const each = (command: (file: string) => string) =>
    shell(`(${files.map(command).join(' && ')}) > /dev/null`);
  const own = [...OVERLAYER, 'explore', '--json', '--progress', 'none', archive].join(' ');
  const contenders: readonly Contender[] = [
    { name: 'overlayer', command: () => shell(`${own} > /dev/null`) },
    { name: DECODER, limit: true, command: () => ['taskset', '-c', '0', ...script('decompress'), ...files] },
    { name: 'igzip | tar -tv', command: () => each((file) => `igzip -dc ${file} | tar -tv`) },
    { name: 'tar -tzv', command: () => each((file) => `tar -tzvf ${file}`) },
  ];
  results.measurements.push(
    ...measureInTurn(contenders, { dir, rounds: results.rounds, group: 'explore', input: 'image' }),
  );
}
