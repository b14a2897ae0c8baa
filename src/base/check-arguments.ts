import { OverlayerError } from './errors.js';
import { DEFAULT_LIMITS } from './limits.js';

/** A string with a NUL is often the content of a file. */
const QUOTED_CHARACTERS = 80;

// The compiler finds these mistakes, too. The checks are for callers in JavaScript, and for values that are not typed.

/** All names of an options type: `{ … } satisfies OptionNames<Options>` fails to compile if one is missing or unknown. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * @param work name of the public function
 * @throws OverlayerError `InvalidArgument` for an option that the function does not have
 */
export function checkOptions(work: string, options: unknown, names: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null)
    throw new OverlayerError('InvalidArgument', `The options of ${work} are ${describe(options)}`, {
      hint: `give an object; its options are ${Object.keys(names).join(', ')}`,
    });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (name === 'signal') checkSignal(work, value);
    if (Object.hasOwn(names, name)) continue;
    throw new OverlayerError('InvalidArgument', `${work} has no option "${name}"`, {
      hint: optionHint(name, Object.keys(names)),
    });
  }
}

function checkSignal(work: string, signal: unknown): void {
  if (typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted === 'function') return;
  throw new OverlayerError('InvalidArgument', `The signal of ${work} is ${describe(signal)}`, {
    hint: 'give the signal of an AbortController',
  });
}

/** Keeps the options that another function has. @param names of the options of that function */
export function pickOptions<Options extends object, Name extends keyof Options & string>(
  options: Options,
  names: Readonly<Record<Name, true>>,
): Pick<Options, Name> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name))) as Pick<
    Options,
    Name
  >;
}

function optionHint(name: string, names: readonly string[]): string {
  if (names.includes('limits') && Object.hasOwn(DEFAULT_LIMITS, name))
    return `it belongs to the option limits: { limits: { ${name}: … } }`;
  const meant = names.find((known) => known.toLowerCase() === name.toLowerCase());
  return meant === undefined ? `its options are ${names.join(', ')}` : `write "${meant}"`;
}

/** @throws OverlayerError `InvalidArgument` */
export function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new OverlayerError('InvalidArgument', `Unknown ${option} "${value}"`, {
    hint: `choose one of ${choices.join(', ')}`,
  });
}

/**
 * @param argument its name
 * @throws OverlayerError `InvalidArgument`
 */
export function checkPath(argument: string, path: unknown): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return;
  if (typeof path !== 'string')
    throw new OverlayerError('InvalidArgument', `Not a path: ${argument} is ${describe(path)}`);
  const found = JSON.stringify(path.slice(0, QUOTED_CHARACTERS));
  const more = path.length > QUOTED_CHARACTERS ? `… (${path.length} characters)` : '';
  throw new OverlayerError('InvalidArgument', `Not a path: ${argument} is ${found}${more}`, {
    hint: path === '' ? undefined : 'a string is a path; give bytes as a Uint8Array',
  });
}

/** Names the kind of a value in errors. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  const { name = '' } = (value.constructor ?? {}) as { readonly name?: string };
  return name === '' || name === 'Object' ? 'a plain object' : `an instance of ${name}`;
}
