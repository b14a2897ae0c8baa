import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes the licences of the packages that are in a bundle, which their authors ask for. */
export function licenses(fileName) {
  return {
    name: 'licenses',
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap(({ modules }) => Object.keys(modules ?? {}));
      const folders = modules.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]);
      const packages = [...new Set(folders)].filter(
        (folder) => folder && existsSync(join(folder, 'package.json')),
      );
      this.emitFile({
        type: 'asset',
        fileName,
        source: packages
          .sort()
          .map(textOf)
          .join(`\n${'-'.repeat(70)}\n\n`),
      });
    },
  };
}

function textOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8');
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}
