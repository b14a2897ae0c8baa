/** How a server wants to be asked: one part of a `WWW-Authenticate` header. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~\w-]+/.source;
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})`, 'y');
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`, 'y');
const TOKEN68 = /[ \t]+[\w\-.~+/]+=*(?=[ \t]*(?:,|$))/y;

/** Reads `WWW-Authenticate` (RFC 9110, 11.6.1). What follows the first thing that is none of it is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (let scheme = take(SCHEME); scheme !== null; scheme = take(SCHEME)) {
    const parameters = new Map<string, string>();
    if (take(TOKEN68) === null)
      for (let match = take(PARAMETER); match !== null; match = take(PARAMETER))
        parameters.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!);
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters });
  }
  return challenges;
}
