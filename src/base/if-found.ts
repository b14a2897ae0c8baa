import { isCode } from './errors.js';

/** @returns undefined when `work` fails with `NotFound` */
export async function ifFound<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}
