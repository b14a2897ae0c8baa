import fc from 'fast-check';
import {
  type Attributes,
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from './tar-builder.js';

/** One step of a layer, in the terms of a few names that meet again and again. */
type Step =
  | { readonly kind: 'directory' | 'file' | 'fifo'; readonly path: string; readonly look: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  /** `target` counts in the files that there have been so far. */
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: number }
  | { readonly kind: 'whiteout'; readonly path: string }
  | { readonly kind: 'opaque'; readonly path: string }
  /** A device 0:0: a whiteout to overlayfs, and to nobody else. */
  | { readonly kind: 'forged-whiteout'; readonly path: string };

export type LayerStack = readonly (readonly Step[])[];

const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const look = fc.nat(1000);
const target = fc.constantFrom('a', 'b', '/b', '/c/a', '../c', '../../a/b', '.', 'nowhere', '/');

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('directory' as const), path, look }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('file' as const), path, look }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fifo' as const), path, look }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('symlink' as const), path, target }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('hardlink' as const), path, target: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('whiteout' as const), path }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('opaque' as const), path: fc.oneof(path, fc.constant('')) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forged-whiteout' as const), path }) },
);

const layer = fc.array(step, { minLength: 1, maxLength: 8 });

/** A layer of directories with files in them, and symlinks that lead there: parents for the layers above it. */
const linkedParents: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 3 }),
    fc.array(target, { minLength: 1, maxLength: 2 }),
  )
  .map(([[real, link, other], targets]) => [
    ...['a', 'b', 'c/a'].map((at, look) => ({ kind: 'file' as const, path: `${real}/${at}`, look })),
    { kind: 'symlink', path: link!, target: real! },
    ...targets.map((to, at) => ({
      kind: 'symlink' as const,
      path: [other!, `${real}/c/b`][at]!,
      target: to,
    })),
  ]);

const layers = fc.array(layer, { minLength: 1, maxLength: 4 });

/** Stacks of layers, lowest first. */
export const layerStacks: fc.Arbitrary<LayerStack> = fc.oneof(
  layers,
  fc.tuple(linkedParents, layers).map(([parents, above]) => [parents, ...above]),
);

/** The same for whoever changes the tree by its paths: no symlink leads out of it. */
export const containedStacks: fc.Arbitrary<LayerStack> = layerStacks.map((stack) =>
  stack.map((steps) => steps.filter((each) => each.kind !== 'symlink' || !/^\/|\.\./.test(each.target))),
);

/**
 * The archives of a stack. Steps that no writer of layers would take are left out: something below a file that
 * the same layer has made, a hard link where there has been no file, a deletion in the lowest layer.
 */
export function buildLayers(stack: LayerStack): Buffer[] {
  const files: string[] = [];
  return stack.map((steps, layer) => {
    const leaves = new Set<string>();
    const members = steps.flatMap((each) => {
      if (isBelow(each.path, leaves)) return [];
      if (layer === 0 && (each.kind === 'whiteout' || each.kind === 'opaque')) return [];
      if (each.kind === 'file') files.push(each.path);
      if (each.kind === 'file' || each.kind === 'fifo' || each.kind === 'hardlink') leaves.add(each.path);
      else if (each.kind === 'directory') leaves.delete(each.path);
      return build(each, files);
    });
    return tar(...members);
  });
}

function isBelow(path: string, leaves: ReadonlySet<string>): boolean {
  return [...leaves].some((leaf) => path.startsWith(`${leaf}/`));
}

function build(step: Step, files: readonly string[]): Buffer[] {
  switch (step.kind) {
    case 'directory':
      return [dir(step.path, attributes(step.look, [0o755, 0o700, 0o1777, 0o2711]))];
    case 'file':
      return [file(step.path, `content ${step.look}`, attributes(step.look, [0o644, 0o600, 0o4755, 0o444]))];
    case 'fifo':
      return [fifo(step.path, { mtime: step.look })];
    case 'symlink':
      return [symlink(step.path, step.target)];
    case 'hardlink': {
      const linked = files[step.target % Math.max(files.length, 1)];
      return linked === undefined ? [] : [hardlink(step.path, linked)];
    }
    case 'whiteout':
      return [whiteout(step.path)];
    case 'opaque':
      return [opaque(step.path)];
    case 'forged-whiteout':
      return [characterDevice(step.path, 0, 0)];
  }
}

function attributes(look: number, modes: readonly number[]): Attributes {
  const xattrs = look % 3 === 0 ? { 'user.look': String(look) } : {};
  return { mode: modes[look % modes.length]!, uid: look % 5, gid: look % 7, mtime: 1_000_000 + look, xattrs };
}
