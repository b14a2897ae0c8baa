import { OverlayerError } from '../../base/errors.js';
import type { FinishedCall } from './calls.js';

/** A message of the daemon's log. */
export interface LogEntry {
  readonly time: Date;
  /** `warn`: a request was refused; `error`: something is broken. */
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Methods that change nothing. They are frequent, so only their failures by a defect or the disk are logged. */
const READS = new Set(['Stat', 'Mounts', 'List', 'Usage', 'Info', 'Read', 'Status', 'ListStatuses']);
/** Codes of errors that are not the caller's fault: a defect, or the disk. */
const BROKEN = new Set<FinishedCall['code']>(['Internal', 'DataLoss', 'ResourceExhausted']);

/** The fields of requests that name an object. */
const FIELDS = ['key', 'name', 'parent', 'ref', 'digest'] as const;

/** The log entry of a call. @returns undefined for calls that are not logged */
export function logCall({ path, request, code, error, seconds }: FinishedCall): LogEntry | undefined {
  const [, service = '', method = ''] = path.split('/');
  const isBroken = BROKEN.has(code);
  if (READS.has(method) && !isBroken) return undefined;
  return {
    time: new Date(),
    level: code === 'OK' ? 'info' : isBroken ? 'error' : 'warn',
    message: `${service.split('.').at(-1)}.${method}`,
    fields: {
      ...subjectOf(request),
      code,
      ms: Math.round(seconds * 1000),
      ...(error === undefined ? {} : { error: messageOf(error) }),
    },
  };
}

function subjectOf(request: unknown): Record<string, string> {
  const { diff, ...fields } = (request ?? {}) as Record<string, unknown>;
  const all = { ...fields, ...(diff as object | undefined) } as Record<string, unknown>;
  return Object.fromEntries(
    FIELDS.flatMap((name) => {
      const value = all[name];
      return typeof value === 'string' && value !== '' ? [[name, value]] : [];
    }),
  );
}

/** The message of an error, and the stack of a defect. */
function messageOf(error: unknown): string {
  if (OverlayerError.is(error) && error.code !== 'Internal') return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
