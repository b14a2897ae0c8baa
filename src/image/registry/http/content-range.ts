import type { HttpResponse } from './http-response.js';

/** Bytes of a blob: from `start` to before `end`. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that an answer with status 206 says that it is (RFC 9110, 14.4); undefined where that is nothing, or
 * contradicts the length of the answer, or that of the blob.
 */
export function contentRange(response: HttpResponse, size: number): Part | undefined {
  const pattern = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/;
  const [, first, last, total] = pattern.exec(response.header('content-range') ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  const [start, end] = [Number(first), Number(last) + 1];
  const isRight = start < end && end <= size && (total === '*' || Number(total) === size);
  return isRight && (response.length ?? end - start) === end - start ? { start, end } : undefined;
}
