const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Three digits in units of 1000: `116 kB`, `1.5 GB`. */
export function formatBytes(bytes: number): string {
  let value = Number(Math.abs(bytes).toPrecision(3));
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${bytes < 0 ? '−' : ''}${Number(value.toPrecision(3))} ${UNITS[unit]}`;
}

export function formatChange(bytes: number): string {
  return bytes > 0 ? `+${formatBytes(bytes)}` : formatBytes(bytes);
}

export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

export function formatShare(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(1)} %`;
}

const TYPE_LETTERS: Readonly<Record<string, string>> = {
  directory: 'd',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
};

/** As `ls -l`: `-rwsr-xr-x`. */
export function formatMode(type: string, mode: number): string {
  const bits = [...'rwxrwxrwx'].map((letter, at) => (mode & (0o400 >> at) ? letter : '-'));
  const special = (bit: number, at: number, letter: string) => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, 's');
  special(0o2000, 5, 's');
  special(0o1000, 8, 't');
  return (TYPE_LETTERS[type] ?? '-') + bits.join('');
}

/** In UTC to the second. An archive may have times that no calendar has. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** A command without the shell that Docker puts before it. */
export function shortCommand(command: string): string {
  return command.replace(/^\/bin\/sh -c (#\(nop\) )?/, '').trim();
}
