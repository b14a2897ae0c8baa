import { displayJson, displayPath, OverlayerError } from '../../index.js';

const PLACE = /\{\{(.*?)\}\}/gs;
/** `.name`, `.target.digest`, `.labels."a.b"`, `json .labels`, `json .`. */
const FIELD = /^\s*(json\s+)?\.((?:\w+|"[^"]*")(?:\.(?:\w+|"[^"]*"))*)?\s*$/;
const ESCAPES: Readonly<Record<string, string>> = { '\\t': '\t', '\\n': '\n' };

/**
 * Reads a template in the form of docker's `--format`, with fields only: `{{.name}}\t{{json .labels}}`. The case of the
 * first part of a field does not matter, because docker's fields begin with a capital.
 *
 * @param document the fields of an item
 * @returns makes the text of an item
 * @throws OverlayerError `InvalidArgument` for another action, or a field that the item does not have
 */
export function formatTemplate<T>(template: string, document: (item: T) => object): (item: T) => string {
  if (/^(?:json|table\b.*)$/s.test(template))
    throw new OverlayerError('InvalidArgument', `Not a template: "${template}"`, {
      hint: '--json prints JSON; without --format a list is a table',
    });
  const text = template.replace(/\\[tn]/g, (written) => ESCAPES[written]!);
  for (const [place, action] of text.matchAll(PLACE)) {
    if (!FIELD.test(action!))
      throw new OverlayerError('InvalidArgument', `Not a field: "${place}" of the template`, {
        hint: '--format takes fields such as {{.name}} or {{json .labels}}',
      });
  }
  return (item) => text.replace(PLACE, (_, action: string) => textOf(document(item), FIELD.exec(action)!));
}

function textOf(document: object, [, json, field]: RegExpExecArray): string {
  const path = (field?.match(/\w+|"[^"]*"/g) ?? []).map((part) => part.replace(/^"|"$/g, ''));
  const value = path.reduce<unknown>((at, part, depth) => {
    if (depth === 0) return fieldOf(document, part);
    return isObject(at) && Object.hasOwn(at, part) ? at[part] : undefined;
  }, document);
  if (json !== undefined || isObject(value)) return displayJson(value ?? null);
  return value === undefined || value === null ? '' : displayPath(String(value));
}

function fieldOf(document: object, name: string): unknown {
  const found = Object.entries(document).find(([each]) => each.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found[1];
  throw new OverlayerError('InvalidArgument', `There is no field "${name}" here`, {
    hint: `--format can show ${Object.keys(document).join(', ')}`,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}
