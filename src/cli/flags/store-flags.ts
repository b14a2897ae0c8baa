import { flag, type ValuesOf } from './declare.js';
import { collect } from './values.js';

export const BACKEND = flag('--backend <BACKEND>', 'snapshot layout: overlayfs layers, or complete trees', [
  'overlay',
  'native',
]);
export const ROOT = flag('--root <DIR>', 'the directory of images and snapshots');
export const JSON_OUTPUT = flag('--json', 'print the result as one JSON document');

/** Options of every command that opens a store. */
export const STORE_FLAGS = [ROOT, BACKEND, JSON_OUTPUT] as const;
export type StoreFlags = ValuesOf<typeof STORE_FLAGS>;

/** @param field one that the items have */
export const formatFlag = (field: string) =>
  flag('--format <TEMPLATE>', `print fields, as docker does: {{.${field}}}, {{json .labels}}`);

/** Options of the commands that list something. @param field names an item @param filter an example */
export const listFlags = (field: string, filter: string) =>
  [
    ...STORE_FLAGS,
    flag('-q, --quiet', `print only each ${field}`),
    flag('--filter <FILTER>', `list only what matches, such as ${filter}; repeat for alternatives`, collect),
    formatFlag(field).conflicts(['quiet', 'json']),
  ] as const;
export type ListFlags = ValuesOf<ReturnType<typeof listFlags>>;
