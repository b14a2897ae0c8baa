import type { InputSize, Results } from '../results.js';
import { median } from '../statistics.js';

const WIDTH = 820;
const ROW = 22;
const PANEL_HEAD = 44;
const PANEL_GAP = 14;
const CHARACTER = 7;
/** Room right of the longest bar for its figures. */
const FIGURES = 150;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .note { fill: #59636e; font-size: 12px; }
    .peer { fill: #afb8c1; }
    .limit { fill: #d8dee4; }
    .own { fill: #1f6feb; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .peer { fill: #656c76; }
      .limit { fill: #3d444d; }
      .own { fill: #4493f8; }
    }`;

/** Groups that are shown, with what their speed is that of. The limits of a layer in memory would leave no room for the rest. */
const GROUPS = {
  gzip: { title: 'gzip layer to tree on tmpfs', limits: false },
  'erofs-memory': { title: 'gzip layer to file on tmpfs', limits: true },
  'erofs-disk': { title: 'gzip layer to file on ext4, durable', limits: true },
  'erofs-image': { title: 'image to store on ext4, durable', limits: true },
  image: { title: 'image to store on ext4, durable', limits: true },
  pull: { title: 'image from a registry to store on ext4, durable', limits: true },
  daemon: { title: 'image to containerd on ext4, durable', limits: true },
  push: { title: 'image to an empty registry', limits: true },
  'convert-zstd': { title: 'all layers from gzip to zstd', limits: true },
  'convert-gzip': { title: 'all layers from zstd to gzip', limits: true },
  explore: { title: 'what an image is made of, from an archive', limits: true },
  commit: { title: 'what a container installed becomes a layer of a new image', limits: true },
} as const;
type Group = keyof typeof GROUPS;

interface BarRow {
  readonly name: string;
  readonly style: 'own' | 'peer' | 'limit';
  readonly seconds: number;
  readonly megabytesPerSecond: number;
}

/** A panel for each group and input. Speed rather than time, so that the slow leave room for the fast. */
export function chart(results: Results): string {
  const panels = (Object.keys(GROUPS) as Group[]).flatMap((group) =>
    results.inputs.flatMap((input) => {
      const rows = barRows(results, group, input);
      return rows.length === 0 ? [] : [{ title: titleOf(group, input), rows }];
    }),
  );
  const all = panels.flatMap(({ rows }) => rows);
  const label = CHARACTER * Math.max(0, ...all.map(({ name }) => name.length)) + 8;
  const scale = (WIDTH - label - FIGURES) / Math.max(...all.map((row) => row.megabytesPerSecond));
  let y = 0;
  const parts = panels.map(({ title, rows }) => {
    const part = panel(title, rows, { top: y, label, scale });
    y += PANEL_HEAD + rows.length * ROW + PANEL_GAP;
    return part;
  });
  const note = `MB of tar a second, longer is better; ${results.machine.cores} cores; light bars do only a part of the work`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-label="${note}">
  <style>${STYLE}
  </style>
${parts.join('\n')}
  <text class="note" x="0" y="${y + 12}">${note}</text>
</svg>
`;
}

function titleOf(group: Group, { name, bytes, entries }: InputSize): string {
  const size = `${Math.round(bytes / 1e6)} MB, ${entries.toLocaleString('en')} entries`;
  return `${name}: ${size}; ${GROUPS[group].title}`;
}

function barRows({ measurements }: Results, group: Group, { name, bytes }: InputSize): BarRow[] {
  return measurements
    .filter((one) => one.group === group && one.input === name && !one.contender.endsWith('digests'))
    .filter(({ limit }) => !limit || GROUPS[group].limits)
    .map(({ contender, limit, samples }) => {
      const seconds = median(samples.map((sample) => sample.seconds));
      const style = contender.startsWith('overlayer') ? 'own' : limit ? 'limit' : 'peer';
      return { name: contender, style, seconds, megabytesPerSecond: bytes / 1e6 / seconds } as const;
    })
    .sort((a, b) => a.seconds - b.seconds);
}

interface Place {
  readonly top: number;
  /** Room left of the bars. */
  readonly label: number;
  /** Of a MB a second. */
  readonly scale: number;
}

function panel(title: string, rows: readonly BarRow[], { top, label, scale }: Place): string {
  const lines = rows.map(({ name, style, seconds, megabytesPerSecond }, index) => {
    const y = top + PANEL_HEAD + index * ROW;
    const width = Math.max(1, megabytesPerSecond * scale);
    const figures = `${megabytesPerSecond.toFixed(0)} MB/s · ${seconds.toFixed(2)} s`;
    return `  <text x="${label - 8}" y="${y + 5}" text-anchor="end">${escaped(name)}</text>
  <rect class="${style}" x="${label}" y="${y - 8}" width="${width.toFixed(1)}" height="16" rx="2"/>
  <text class="note" x="${(label + width + 8).toFixed(1)}" y="${y + 5}">${figures}</text>`;
  });
  return [`  <text class="title" x="0" y="${top + 18}">${title}</text>`, ...lines].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
