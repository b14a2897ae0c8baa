import { arch, endianness } from 'node:os';
import { checkArgument, describe } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';

/** The platform of an image (OCI image spec, image-index.md "platform"). */
export interface Platform {
  /** `''` when the document has none, which means any. */
  readonly os: string;
  /** `''` when the document has none, which means any. */
  readonly architecture: string;
  /** The variant of the architecture, such as `v7` in `arm/v7`. */
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
}

const OS = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;
const WORD = /^[A-Za-z0-9_.-]+$/;
/** Single words that `parsePlatform` reads as an os. */
const KNOWN_OS = ['linux', 'windows', 'darwin', 'macos', 'freebsd'];

/**
 * Parses `linux/arm64/v8`. A single word is an architecture or an os, and the host's platform has the rest: `arm64`,
 * `linux`. The result is normalized as by `normalizePlatform`.
 *
 * @throws OverlayerError `InvalidArgument`
 */
export function parsePlatform(text: string): Platform {
  if (typeof text !== 'string')
    throw new OverlayerError('InvalidArgument', `Not a platform: ${describe(text)}`);
  const parts = text.split('/');
  const host = hostPlatform();
  const [first = '', architecture, variant] = parts;
  const [, os, osVersion] = OS.exec(first) ?? [];
  if (os === undefined || parts.length > 3 || !parts.slice(1).every((part) => WORD.test(part)))
    throw new OverlayerError('InvalidArgument', `Not a platform: "${text}"`, {
      hint: 'a platform is os/architecture or os/architecture/variant, such as linux/arm64/v8',
    });
  if (architecture !== undefined)
    return normalizePlatform({
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      ...(osVersion ? { osVersion } : {}),
    });
  if (KNOWN_OS.includes(os.toLowerCase()))
    return normalizePlatform({ ...host, os, ...(osVersion ? { osVersion } : {}) });
  return normalizePlatform({ os: host.os, architecture: os });
}

/** Formats for `parsePlatform`: `linux/arm/v7`, `windows(10.0.17763)/amd64`. */
export function formatPlatform(platform: Platform): string {
  checkArgument('platform', platform, 'object');
  const { os, architecture, variant, osVersion } = platform;
  const system = osVersion === undefined ? os : `${os}(${osVersion})`;
  return [system, architecture, ...(variant ? [variant] : [])].join('/');
}

/** Converts a platform to JSON of the image specification, with fields in containerd's order. */
export function platformDocument({ os, architecture, variant, osVersion }: Platform): object {
  return { architecture, os, 'os.version': osVersion, variant };
}

/** Fills in missing fields from `other`. */
export function completePlatform(platform: Platform, other: Platform): Platform {
  if (platform.os !== '' && platform.architecture !== '') return platform;
  return {
    ...other,
    ...platform,
    os: platform.os || other.os,
    architecture: platform.architecture || other.architecture,
  };
}

/**
 * Converts to containerd's spelling (containerd/platforms, database.go).
 *
 * @throws OverlayerError `InvalidArgument` when a field is not a string
 */
export function normalizePlatform(platform: Platform): Platform {
  const { os: system, architecture: machine, variant: kind = '', osVersion = '' } = platform;
  for (const [field, value] of Object.entries({
    os: system,
    architecture: machine,
    variant: kind,
    osVersion,
  }))
    if (typeof value !== 'string')
      throw new OverlayerError('InvalidArgument', `The ${field} of the platform is ${describe(value)}`, {
        hint: "a platform is { os, architecture, variant }, such as { os: 'linux', architecture: 'arm64', variant: 'v8' }",
      });
  const { variant: _, ...rest } = platform;
  const os = platform.os.toLowerCase();
  const [architecture, variant] = normalizeArchitecture(
    platform.architecture.toLowerCase(),
    platform.variant?.toLowerCase() ?? '',
  );
  return {
    ...rest,
    os: os === 'macos' ? 'darwin' : os,
    architecture,
    ...(variant === '' ? {} : { variant }),
  };
}

function normalizeArchitecture(
  architecture: string,
  variant: string,
): readonly [architecture: string, variant: string] {
  switch (architecture) {
    case 'i386':
      return ['386', ''];
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant];
    case 'aarch64':
    case 'arm64':
      return ['arm64', variant === '8' || variant === 'v8' ? '' : variant];
    case 'armhf':
      return ['arm', 'v7'];
    case 'armel':
      return ['arm', 'v6'];
    case 'arm':
      return ['arm', variant === '' ? 'v7' : /^[5-8]$/.test(variant) ? `v${variant}` : variant];
    default:
      return [architecture, variant];
  }
}

/** Maps Node's names of architectures to Go's, which the specification uses. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: endianness() === 'LE' ? 'ppc64le' : 'ppc64',
  mipsel: 'mipsle',
};

/** The normalized platform of this process. It is `linux` on macOS and Windows, which run containers in a virtual machine. */
export function hostPlatform(): Platform {
  const architecture = arch();
  return normalizePlatform({
    os: ['darwin', 'win32'].includes(process.platform) ? 'linux' : process.platform,
    architecture: ARCHITECTURES[architecture] ?? architecture,
  });
}

/**
 * Ranks an image for `offered` on the platform `wanted`: 0 is best, undefined means that it does not run. The rules are
 * those of containerd's default matcher (containerd/platforms, compare.go): older variants of an architecture run on
 * newer ones, and 32 bits on 64.
 */
export function rankPlatform(offered: Platform, wanted: Platform): number | undefined {
  const { os, architecture, variant = '' } = normalizePlatform(offered);
  const target = normalizePlatform(wanted);
  if (os !== '' && os !== target.os) return undefined;
  const runs = compatible(target.architecture, target.variant ?? '');
  // An image without an architecture runs on any, but ranks last.
  if (architecture === '') return runs.length;
  const rank = runs.indexOf(`${architecture}/${variant}`);
  return rank === -1 ? undefined : rank;
}

/** Architectures whose images run on a normalized architecture, the best first. */
function compatible(architecture: string, variant: string): readonly string[] {
  const own = `${architecture}/${variant}`;
  switch (architecture) {
    case 'amd64':
      return [
        own,
        ...older(variant, 2).map((level) => `amd64/v${level}`),
        ...(variant === '' ? [] : ['amd64/']),
        '386/',
      ];
    case 'arm64':
      return [own, ...(variant === '' ? [] : ['arm64/']), ...compatible('arm', 'v8')];
    case 'arm':
      return [own, ...older(variant, 5).map((level) => `arm/v${level}`)];
    default:
      return [own];
  }
}

/** Levels below a variant (`v7`) down to `lowest`, in descending order. */
function older(variant: string, lowest: number): readonly number[] {
  const level = Number(/^v(\d)$/.exec(variant)?.[1] ?? 0);
  return Array.from({ length: Math.max(level - lowest, 0) }, (_, index) => level - 1 - index);
}
