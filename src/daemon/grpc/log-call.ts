import { OverlayerError } from '../../base/errors.js';
import type { FinishedCall } from './calls.js';
import type { LogEntry } from './log-entry.js';

/** They change nothing, and come often: said only when something is broken. */
const READS = new Set(['Stat', 'Mounts', 'List', 'Usage', 'Info', 'Read', 'Status', 'ListStatuses']);
/** Nobody has asked for something that can't be: it is ours, or the disk's. */
const BROKEN = new Set<FinishedCall['code']>(['Internal', 'DataLoss', 'ResourceExhausted']);

/** What a request was about, of all the fields that requests have. */
const FIELDS = ['key', 'name', 'parent', 'ref', 'digest'] as const;

/** @returns undefined for what is not worth a line */
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

/** Of a defect all that there is. */
function messageOf(error: unknown): string {
  if (OverlayerError.is(error) && error.code !== 'Internal') return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
