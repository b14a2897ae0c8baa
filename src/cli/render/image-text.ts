import { displayPath, formatPlatform, type InspectedImage, type Labels } from '../../index.js';
import { formatBytes } from './format.js';

/** What an image is made of, and how it is to be run. */
export function imageText(image: InspectedImage & { readonly labels?: Labels }): string {
  const { name, target, labels = {}, descriptor, manifest, config, layers } = image;
  const { user, env, entrypoint, cmd, workingDir } = config.process;
  const words = (list: readonly string[]) =>
    list.length === 0 ? 'none' : list.map((word) => JSON.stringify(word)).join(' ');
  const rows: readonly (readonly [name: string, value: string])[] = [
    ['target', target.digest],
    ['manifest', descriptor.digest],
    ['config', manifest.config.digest],
    ['platform', formatPlatform(config.platform)],
    ['created', config.createdAt ?? 'unknown'],
    ['entrypoint', words(entrypoint)],
    ['cmd', words(cmd)],
    ['user', user === '' ? 'root' : user],
    ['directory', workingDir === '' ? '/' : workingDir],
    ...env.map((variable) => ['env', variable] as const),
    ...Object.entries(labels).map(([label, value]) => ['label', `${label}=${value}`] as const),
    ...layers.flatMap(({ descriptor: { digest, size }, chainID }) => [
      ['layer', `${digest} (${formatBytes(size)})`] as const,
      ['chainID', chainID] as const,
    ]),
  ];
  const lines = rows.map(([row, value]) => `  ${row.padEnd(10)} ${displayPath(value)}\n`);
  return `${displayPath(name ?? target.digest)}\n${lines.join('')}`;
}
