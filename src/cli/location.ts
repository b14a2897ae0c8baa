import { tmpdir } from 'node:os';
import {
  createImageArchive,
  createImageLayout,
  detectSource,
  type ImageSource,
  type ImageTarget,
  OverlayerError,
  openImageArchive,
  openImageLayout,
  openRegistry,
  openRegistryTarget,
  type RegistryNotice,
  type Store,
} from '../index.js';
import { UsageError } from './failure.js';
import type { RegistryFlags } from './flags/fetch-flags.js';
import { registryOptions } from './options.js';

const SCHEMES = ['docker', 'oci', 'oci-archive', 'docker-archive', 'store'] as const;
const FORMS =
  'a location is docker://REF, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:REF] or store:NAME';

/** The place of an image, in the form of skopeo. */
export interface Location {
  readonly scheme: (typeof SCHEMES)[number];
  /** A reference, a path, or the name of an image of the store. */
  readonly place: string;
  /** The image in the archive or the layout. */
  readonly name: string | undefined;
}

/** @throws OverlayerError `InvalidArgument` */
export function parseLocation(text: string): Location {
  const [, scheme, rest = ''] = /^([a-z-]+):(.*)$/s.exec(text) ?? [];
  const known = SCHEMES.find((each) => each === scheme);
  if (known === undefined || rest === '') throw notALocation(text);
  if (known === 'store') return { scheme: known, place: rest, name: undefined };
  if (known === 'docker') {
    if (!rest.startsWith('//')) throw notALocation(text);
    return { scheme: known, place: rest.slice(2), name: undefined };
  }
  const [, path = '', name] = /^([^:]+)(?::(.+))?$/s.exec(rest) ?? [];
  if (path === '') throw notALocation(text);
  return { scheme: known, place: path, name };
}

/** `parseLocation` for a source: it may also be the path of an archive or a layout. */
export async function findLocation(text: string): Promise<Location> {
  if (SCHEMES.some((scheme) => text.startsWith(`${scheme}:`))) return parseLocation(text);
  const kind = await detectSource(text);
  if (kind === undefined)
    throw new OverlayerError(
      'InvalidArgument',
      `"${text}" is neither an archive of images nor an OCI layout`,
      {
        hint: FORMS,
      },
    );
  return { scheme: kind === 'layout' ? 'oci' : 'oci-archive', place: text, name: undefined };
}

/** What the ends of a copy share. */
interface Ends {
  readonly flags: RegistryFlags;
  /** The store, if an end is in it. */
  readonly store: Store | undefined;
  readonly onNotice: (notice: RegistryNotice) => void;
  readonly signal: AbortSignal;
}

export async function openSourceAt(
  { scheme, place, name }: Location,
  { flags, store, onNotice, signal }: Ends,
): Promise<ImageSource> {
  const names = name === undefined ? undefined : [name];
  switch (scheme) {
    case 'docker':
      return await openRegistry(place, { ...(await registryOptions(flags)), onNotice });
    case 'oci':
      return await openImageLayout(place, { names, signal });
    case 'oci-archive':
    case 'docker-archive':
      return await openImageArchive(place, { names, scratch: tmpdir(), signal });
    case 'store':
      return await store!.images.source(place);
    default:
      return scheme satisfies never;
  }
}

/** An image gets into the store by an import, and not here. */
export async function openTargetAt(
  { scheme, place }: Location,
  { flags, onNotice }: Pick<Ends, 'flags' | 'onNotice'>,
): Promise<ImageTarget> {
  switch (scheme) {
    case 'docker':
      return await openRegistryTarget(place, { ...(await registryOptions(flags)), onNotice });
    case 'oci':
      return await createImageLayout(place);
    case 'oci-archive':
    case 'docker-archive':
      return await createImageArchive(place, { format: scheme });
    case 'store':
      throw new OverlayerError('Internal', 'The store is not a target');
    default:
      return scheme satisfies never;
  }
}

/** One user can't be of two registries: a password must not reach the other one. */
export function checkCredentials(ends: readonly Location[], { username }: RegistryFlags): void {
  if (username === undefined || ends.filter(({ scheme }) => scheme === 'docker').length < 2) return;
  throw new UsageError(
    '--username is for one registry: log in to both (docker login, podman login, skopeo login)',
  );
}

function notALocation(text: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Not a location of an image: "${text}"`, { hint: FORMS });
}
