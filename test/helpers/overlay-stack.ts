import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { AnomalyKind, AnomalySummary } from '../../src/index.js';
import { MountNamespace, NOBODY, type Privileges } from './mount-namespace.js';
import { type Inside, type NamespaceProcess, useNamespace } from './namespace-process.js';
import { refuseDevices } from './refuse-devices.js';
import type { UnpackOutcome } from './run-unpack.js';
import { readTree, type Tree } from './tree.js';
import { makeWorkDirectory } from './work-directory.js';

/** What crosses to the process as JSON. */
type Run = {
  readonly source: string;
  readonly destination: string;
  readonly options: {
    readonly rootless: boolean;
    readonly sync: false;
    readonly target?: 'overlay';
    readonly lowers?: readonly string[];
    readonly existing?: 'merge';
  };
};

/** Where the layers are unpacked, and where they are mounted. */
interface Places {
  readonly privileges: Privileges;
  readonly inside: NamespaceProcess;
  readonly namespace: MountNamespace;
}

/**
 * For the tests of a block: runs `use` with a new stack.
 *
 * @param options.devices whether whoever unpacks may make whiteouts as devices
 */
export function useOverlayStacks(
  privileges: Privileges,
  { devices = true }: { readonly devices?: boolean } = {},
): (use: (stack: OverlayStack) => Promise<void>) => Promise<void> {
  const unpacking = useNamespace(privileges);
  let namespace: MountNamespace;
  beforeAll(async () => {
    if (!devices) await refuseDevices(unpacking.inside);
    namespace = await MountNamespace.start(privileges);
  });
  afterAll(() => namespace.close());
  return async (use) => {
    const stack = new OverlayStack({ privileges, inside: unpacking.inside, namespace });
    try {
      await use(stack);
    } finally {
      await stack.remove();
    }
  };
}

/**
 * Layers of one test in both forms: each in overlay form in a directory of its own, and one over the other in a plain
 * directory.
 */
class OverlayStack {
  readonly #inside: NamespaceProcess;
  readonly #namespace: MountNamespace;
  readonly #privileges: Privileges;
  readonly #root = makeWorkDirectory('disk');
  readonly #merged = join(this.#root, 'merged');
  readonly #uppers: string[] = [];
  readonly #anomalies: AnomalySummary[] = [];
  readonly #mounts: string[] = [];
  #layers = 0;

  constructor({ privileges, inside, namespace }: Places) {
    this.#inside = inside;
    this.#namespace = namespace;
    this.#privileges = privileges;
    chmodSync(this.#root, 0o755);
    mkdirSync(join(this.#root, 'layers'));
    if (privileges === 'root') return;
    for (const path of [this.#root, join(this.#root, 'layers')]) chownSync(path, NOBODY, NOBODY);
  }

  /** @returns the code that both fail with, or undefined */
  async add(layer: Buffer): Promise<string | undefined> {
    const number = this.#layers++;
    const source = join(this.#root, `${number}.tar`);
    const upper = join(this.#root, 'layers', String(number));
    writeFileSync(source, layer);
    const common = { rootless: this.#privileges !== 'root', sync: false } as const;
    const [overlay, directory] = await this.#inside.run(unpackAll, [
      { source, destination: upper, options: { ...common, target: 'overlay', lowers: this.#uppers } },
      { source, destination: this.#merged, options: { ...common, existing: 'merge' } },
    ]);
    const codes = [codeOf(overlay!), codeOf(directory!)];
    expect(codes[0], message(overlay!) ?? message(directory!)).toBe(codes[1]);
    // What a random layer may rightly be refused for; and a test where all fails alike would prove nothing.
    expect([undefined, 'InvalidArgument', 'NotFound'], message(overlay!)).toContain(codes[0]);
    if ('error' in overlay!) return overlay.error.code;
    this.#uppers.unshift(upper);
    this.#anomalies.push(...overlay!.result.anomalies);
    return undefined;
  }

  /** How many of a kind the layers in overlay form have had. */
  anomalies(kind: AnomalyKind): number {
    return this.#anomalies.reduce((sum, each) => sum + (each.kind === kind ? each.count : 0), 0);
  }

  merged(): Tree {
    return readTree(this.#merged);
  }

  /** One upperdir as it is on the disk: 0 is the lowest. */
  upper(layer: number): Tree {
    return readTree(join(this.#root, 'layers', String(layer)));
  }

  async mounted(): Promise<Tree> {
    const mount = await this.#namespace.mountOverlay(this.#root, this.#uppers, this.#options[0]);
    this.#mounts.push(mount);
    return readTree(mount);
  }

  /**
   * Runs a line of shell twice: in a mount of the layers with one to write to, and in the plain directory.
   * @returns both trees
   */
  async change(line: string): Promise<{ readonly mounted: Tree; readonly merged: Tree }> {
    const { path, seen } = await this.#namespace.mountWritable(this.#root, this.#uppers, this.#options);
    this.#mounts.push(seen);
    for (const directory of [path, this.#merged]) await this.#namespace.run(`cd '${directory}' && ${line}`);
    return { mounted: readTree(seen), merged: this.merged() };
  }

  get #options(): readonly 'userxattr'[] {
    return this.#privileges === 'root' ? [] : ['userxattr'];
  }

  async remove(): Promise<void> {
    for (const mount of this.#mounts) await this.#namespace.unmount(mount);
    rmSync(this.#root, { recursive: true });
  }
}

async function unpackAll({ overlayer }: Inside, runs: readonly Run[]): Promise<UnpackOutcome[]> {
  const outcomes: UnpackOutcome[] = [];
  for (const { source, destination, options } of runs)
    outcomes.push(
      await overlayer.unpackLayer(source, destination, options).then(
        (result) => ({ result }),
        (error: Error) => ({
          error: {
            code: overlayer.OverlayerError.is(error) ? error.code : ('Internal' as const),
            message: String(error.stack),
          },
        }),
      ),
    );
  return outcomes;
}

function codeOf(outcome: UnpackOutcome): string | undefined {
  return 'error' in outcome ? outcome.error.code : undefined;
}

function message(outcome: UnpackOutcome): string | undefined {
  return 'error' in outcome ? outcome.error.message : undefined;
}
