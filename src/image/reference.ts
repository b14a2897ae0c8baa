import { checkArgument, describe } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { type Digest, parseDigest } from '../oci/digest.js';

/** The name of an image in a registry. */
export interface Reference {
  /** The registry: a host, with its port where it has one. `docker.io` for Docker Hub. */
  readonly domain: string;
  /** Docker Hub's official images have theirs in `library/`. */
  readonly repository: string;
  /** `latest` where neither a tag nor a digest was given. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
  /** All of it in the canonical form: `docker.io/library/debian:12`. */
  readonly name: string;
}

/** The parts of a reference: `domain/repository:tag@digest`. */
export type ReferenceParts = Omit<Reference, 'name'>;

const DOCKER_HUB = 'docker.io';
const OFFICIAL = 'library/';

const LABEL = /[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?/.source;
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`);
const COMPONENT = /[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*/.source;
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
/** Docker means a local image by this, never a repository. */
const IDENTIFIER = /^[0-9a-f]{64}$/;
const TAG = /^\w[\w.-]{0,127}$/;

/** The limit of domain, slash and repository together that most registries and clients have (distribution spec). */
const MAX_NAME_LENGTH = 255;
/** The limit of a reference with the longest tag and a digest. */
const MAX_LENGTH = 512;

/**
 * Reads a reference in the form that people write: `debian`, `user/image:tag`, `localhost:5000/a/b@sha256:…`.
 *
 * Missing parts are filled in as docker does (distribution/reference): the first part is a domain only if it has a
 * dot, a colon or a capital in it, or is `localhost`; else the domain is `docker.io`, whose repositories of one part
 * are in `library/`. The rules for names and tags are the distribution spec's.
 *
 * @throws OverlayerError `InvalidArgument`; `Unimplemented` for a digest of another algorithm than sha256
 */
export function parseReference(text: string): Reference {
  if (typeof text !== 'string')
    throw new OverlayerError('InvalidArgument', `The name of an image is ${describe(text)}`);
  if (text.length > MAX_LENGTH) throw wrong(text, `it has more than ${MAX_LENGTH} characters`);
  if (IDENTIFIER.test(text)) throw wrong(text, 'it is a digest without a name', `NAME@sha256:${text}`);
  const { rest: tagged, part: digest } = cut(text, '@');
  const [domain, remainder] = splitDomain(tagged);
  const { rest: path, part: tag } = cut(remainder, ':');
  const repository = domain === DOCKER_HUB && !path.includes('/') ? OFFICIAL + path : path;
  if (!DOMAIN.test(domain) || !URL.canParse(`https://${domain}`))
    throw wrong(text, `"${domain}" is not a registry`);
  if (path !== path.toLowerCase()) throw wrong(text, 'a repository has no capitals');
  if (!REPOSITORY.test(repository)) throw wrong(text, `"${path}" is not a repository`);
  if (domain.length + 1 + repository.length > MAX_NAME_LENGTH)
    throw wrong(text, `its name has more than ${MAX_NAME_LENGTH} characters`);
  if (tag !== undefined && !TAG.test(tag)) throw wrong(text, `"${tag}" is not a tag`);
  const parts = {
    domain,
    repository,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest: digest === undefined ? undefined : parseDigest(digest),
  };
  return { ...parts, name: formatReference(parts) };
}

/**
 * Reads the name that an image gets.
 *
 * @param digest that of the image. @default not known yet: the name has none then
 * @returns its canonical form
 * @throws OverlayerError `InvalidArgument`, also for a name with another digest, which would promise other bytes
 */
export function newImageName(text: string, digest?: Digest): string {
  const { name, digest: promised } = parseReference(text);
  if (promised === undefined || promised === digest) return name;
  if (digest === undefined)
    throw new OverlayerError('InvalidArgument', `The name of a new image has a digest: "${name}"`, {
      hint: 'the digest of an image is known when it is made: give a name and a tag',
    });
  throw new OverlayerError('InvalidArgument', `The digest in the name "${name}" is not that of the image`, {
    hint: 'give a name and a tag',
    expected: digest,
    actual: promised,
  });
}

/** The canonical form. */
export function formatReference(reference: ReferenceParts): string {
  checkArgument('reference', reference, 'object');
  const { domain, repository, tag, digest } = reference;
  return `${domain}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The form for people: without what `parseReference` fills in. */
export function formatFamiliar(reference: ReferenceParts): string {
  checkArgument('reference', reference, 'object');
  const { domain, repository, digest } = reference;
  const tag = reference.tag === 'latest' && digest === undefined ? undefined : reference.tag;
  const canonical = formatReference({ ...reference, tag });
  if (domain !== DOCKER_HUB) return canonical;
  const path = canonical.slice(DOCKER_HUB.length + 1);
  const isOfficial = repository.startsWith(OFFICIAL) && repository.indexOf('/', OFFICIAL.length) < 0;
  const short = isOfficial ? path.slice(OFFICIAL.length) : path;
  // Docker Hub's `a.b/image` would be read as another registry's.
  return splitDomain(short)[0] === DOCKER_HUB && !IDENTIFIER.test(short) ? short : canonical;
}

/** The text behind the first separator. */
function cut(text: string, separator: string): { readonly rest: string; readonly part: string | undefined } {
  const at = text.indexOf(separator);
  if (at < 0) return { rest: text, part: undefined };
  return { rest: text.slice(0, at), part: text.slice(at + 1) };
}

function splitDomain(text: string): [domain: string, remainder: string] {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  if (!/[.:A-Z]/.test(first) && first !== 'localhost') return [DOCKER_HUB, text];
  return [first === 'index.docker.io' ? DOCKER_HUB : first, text.slice(slash + 1)];
}

function wrong(text: string, why: string, hint = '[registry/]repository[:tag][@digest]'): OverlayerError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  const message = `Not a reference of an image: "${shown}": ${why}`;
  return new OverlayerError('InvalidArgument', displayPath(message), { hint });
}

/** Annotations of index entries: the first is containerd's and docker's, the second the OCI image spec's (annotations.md). */
export const NAME_ANNOTATION = 'io.containerd.image.name';
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

/** The grammar that annotations.md gives. */
const REF_NAME = /^[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+)*$/;
const MAX_REF_NAME_LENGTH = 512;

/** The name of an index entry, as containerd's import reads it (core/images/archive). */
export function imageName(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const name = annotations[NAME_ANNOTATION] ?? annotations[REF_NAME_ANNOTATION];
  return name === undefined ? undefined : storedName(name);
}

/** The canonical form of a reference; other valid names as they are; undefined for an invalid name. */
export function storedName(name: string): string | undefined {
  const reference = storedReference(name);
  if (reference !== undefined) return reference.name;
  return name.length <= MAX_REF_NAME_LENGTH && REF_NAME.test(name) ? name : undefined;
}

/** The reference that an image is stored under. A single word is not one: tools write a bare tag into a layout. */
export function storedReference(name: string): Reference | undefined {
  return /[/:@]/.test(name) ? readReference(name) : undefined;
}

/** Whether `wanted` chooses the image with this name. */
export function isNamed(name: string | undefined, wanted: string): boolean {
  return name !== undefined && (name === wanted || name === canonicalName(wanted));
}

/** @returns undefined when the name is not a reference */
export function canonicalName(name: string): string | undefined {
  return readReference(name)?.name;
}

function readReference(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (OverlayerError.is(error)) return undefined;
    throw error;
  }
}
