import { checkArgument } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { checkMounts, type Mount } from './mount.js';
import { escapeLayer } from './overlay-layers.js';

// Lists in the form of containerd's mount manager (core/mount/manager, containerd 2.2). The type of a mount names the
// steps before it is made: `format/overlay` has templates in its fields.

const FORMAT = 'format';
/** `mkdir` makes the directories that the options `X-containerd.mkdir.path` name. Those options are refused. */
const STEPS = [FORMAT, 'mkdir'];

/** An earlier mount of a list. */
interface EarlierMount {
  /** Its templates are filled. */
  readonly mount: Mount;
  /** The path at which it is mounted. */
  readonly place: string;
}

/** The type without its steps: `overlay` for `format/mkdir/overlay`. */
export function typeOf({ type }: Pick<Mount, 'type'>): string {
  return type.slice(type.lastIndexOf('/') + 1);
}

/** @throws OverlayerError `Unimplemented` for an unknown step, such as `mkfs` */
function hasTemplates({ type }: Pick<Mount, 'type'>): boolean {
  const steps = type.split('/').slice(0, -1);
  const unknown = steps.find((step) => !STEPS.includes(step));
  if (unknown === undefined) return steps.includes(FORMAT);
  throw new OverlayerError('Unimplemented', `Mount type "${type}" is not supported`, {
    hint: `the steps ${STEPS.join(' and ')} are supported, and not ${unknown}`,
  });
}

/** The number of mounts that are parts of a later one: all before the last one with templates. */
export function countParts(mounts: readonly Mount[]): number {
  return Math.max(mounts.findLastIndex(hasTemplates), 0);
}

/**
 * Replaces the templates of a mount. The text that replaces a template is not searched for templates.
 *
 * - `{{ mount N }}`: the place of mount N
 * - `{{ overlay A B }}`: the places of the mounts from A to B with a colon between them, or from B to A if A is larger.
 *   A repeated place is written once, as the nearest layer. Overlayfs refuses a directory that is in the list twice, and
 *   the lower of two equal layers changes nothing
 * - `{{ source N }}`, `{{ target N }}`: the field of mount N
 * - `{{"{{"}}`: the text `{{` (`escapeTemplate`)
 *
 * The places may have any characters: in options of an overlay, they are written as `escapeLayer` does.
 *
 * @returns a mount whose type has no steps
 * @throws OverlayerError `InvalidArgument`: a template is none of these, or names no earlier mount
 */
export function fillTemplates(mount: Mount, earlier: readonly EarlierMount[]): Mount {
  const type = typeOf(mount);
  if (!hasTemplates(mount)) return { ...mount, type };
  const asItIs = (path: string) => path;
  const inOption = type === 'overlay' ? escapeLayer : asItIs;
  const fill = (text: string) => fillText(text, earlier, asItIs);
  const { source, target, options } = mount;
  return {
    type,
    source: fill(source),
    target: target === undefined ? undefined : fill(target),
    options: options.map((option) => fillText(option, earlier, inOption)),
  };
}

/**
 * The mounts of a list one by one, for programs that know no templates. Parts are mounted at places of their own before.
 *
 * @param placeOf the path at which the caller mounts part `index`
 * @returns the parts, and the mounts for the target
 * @throws OverlayerError `InvalidArgument`: a template is not valid; `Unimplemented`: a type names an unknown step
 */
export function withoutTemplates(
  mounts: readonly Mount[],
  placeOf: (index: number) => string,
): { readonly parts: readonly Mount[]; readonly mounts: readonly Mount[] } {
  checkMounts('mounts', mounts);
  checkArgument('placeOf', placeOf, 'function');
  const count = countParts(mounts);
  const earlier: EarlierMount[] = [];
  for (const [index, mount] of mounts.slice(0, count).entries())
    earlier.push({ mount: fillTemplates(mount, earlier), place: placeOf(index) });
  return {
    parts: earlier.map(({ mount }) => mount),
    mounts: mounts.slice(count).map((mount) => fillTemplates(mount, earlier)),
  };
}

/**
 * Escapes text that is no template, such as a path. Go's templates, which containerd uses, read it as well: a string
 * between braces stands for itself.
 */
export function escapeTemplate(text: string): string {
  return text.replaceAll('{{', BRACES);
}

const BRACES = '{{"{{"}}';
const TEMPLATE = /\{\{(.*?)\}\}/gs;
const WORDS = /^\s*(?:(?<field>mount|source|target)\s+(?<index>\d+)|overlay\s+(?<from>\d+)\s+(?<to>\d+))\s*$/;

/** @param written the form of a path in the text */
function fillText(text: string, earlier: readonly EarlierMount[], written: (path: string) => string): string {
  const rest = text.replace(TEMPLATE, '');
  if (rest.includes('{{')) throw badTemplate(text, 'it has no end');
  return text.replace(TEMPLATE, (template, words: string) => {
    if (template === BRACES) return '{{';
    const match = WORDS.exec(words)?.groups;
    if (match === undefined)
      throw badTemplate(template, 'it is not one of mount, source, target, overlay with numbers');
    const at = (index: string): EarlierMount => {
      const found = earlier[Number(index)];
      if (found === undefined) throw badTemplate(template, `there is no mount ${index} before this one`);
      return found;
    };
    const { field, index, from, to } = match;
    if (field === undefined) {
      const places = between(at(from!), at(to!), earlier).map(({ place }) => written(place));
      return [...new Set(places)].join(':');
    }
    const { mount, place } = at(index!);
    if (field === 'mount') return written(place);
    return written(field === 'source' ? mount.source : (mount.target ?? ''));
  });
}

function between(
  from: EarlierMount,
  to: EarlierMount,
  all: readonly EarlierMount[],
): readonly EarlierMount[] {
  const [first, last] = [all.indexOf(from), all.indexOf(to)];
  return first <= last ? all.slice(first, last + 1) : all.slice(last, first + 1).reverse();
}

function badTemplate(template: string, why: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Mount template "${template}" is not valid: ${why}`);
}
