import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeWorkDirectory } from '../helpers/work-directory.js';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const LAYER = join(REPOSITORY, 'fixtures/layer.tar.gz');

/** The Node that the packed overlayer is tried on: OVERLAYER_NODE, or the one that runs the tests. */
export const NODE = process.env['OVERLAYER_NODE'] ?? process.execPath;

/** The tests' own settings of npm (their `npm_*` variables) must not reach the npm that they start. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(?!config_nodedir$)/i.test(name)),
  ),
  PATH: [dirname(NODE), process.env['PATH']].join(delimiter),
  // Nothing is fetched from outside the registry: zstd-napi would try, and build only then.
  npm_config_build_from_source: 'true',
  NEXT_TELEMETRY_DISABLED: '1',
};

const STRICT = {
  compilerOptions: {
    module: 'nodenext',
    target: 'ES2023',
    lib: ['ES2023'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    isolatedModules: true,
    verbatimModuleSyntax: true,
    resolveJsonModule: true,
    skipLibCheck: false,
  },
};

/** The package as it would be published, installed in an empty folder. */
export class PackedApp {
  readonly root = makeWorkDirectory();
  readonly folder = join(this.root, 'app');
  readonly tarball: string;

  /** @param installScripts whether packages may run theirs: zstd-napi is built by its own, which takes half a minute */
  constructor({ installScripts }: { readonly installScripts: boolean }) {
    this.run('npm', ['pack', '--ignore-scripts', '--pack-destination', this.root], REPOSITORY);
    this.tarball = join(this.root, readdirSync(this.root).find((name) => name.endsWith('.tgz'))!);
    mkdirSync(this.folder);
    // npm 11 asks its user to approve install scripts, by this field.
    const refused = { overlayer: false, koffi: false, lmdb: false, 'msgpackr-extract': false };
    const allowScripts = { ...refused, 'zstd-napi': true };
    this.#write('package.json', { private: true, type: 'module', allowScripts });
    this.#write('tsconfig.json', { ...STRICT, include: ['embed.ts'] });
    for (const name of ['embed.ts', 'commonjs.cts', 'commonjs-import.cts'])
      copyFileSync(join(REPOSITORY, 'test/package', name), join(this.folder, name));
    const scripts = installScripts ? [] : ['--ignore-scripts'];
    this.run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...scripts, this.tarball]);
  }

  /** @returns what the program printed; throws, with what it said, when it fails */
  run(program: string, args: readonly string[], cwd = this.folder): string {
    return execFileSync(program, args, { cwd, env: environment, encoding: 'utf8', stdio: 'pipe' });
  }

  /** The same, of a program that stays: a server. */
  start(program: string, args: readonly string[], cwd = this.folder): ChildProcess {
    return spawn(program, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** A development tool of the repository. */
  tool(name: string, args: readonly string[]): string {
    return this.run(process.execPath, [join(REPOSITORY, 'node_modules/.bin', name), ...args]);
  }

  #write(name: string, content: unknown): void {
    writeFileSync(join(this.folder, name), JSON.stringify(content));
  }
}
