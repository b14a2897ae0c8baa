import { readFileSync } from 'node:fs';

let known: string | undefined;

/** Names the time since the machine's last start. What a process before it did not flush may be lost. */
export function bootID(): string {
  known ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return known;
}
