import { open } from 'node:fs/promises';

/** What was renamed in it is on disk then. Not through `System`, whose calls hold up the event loop. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
