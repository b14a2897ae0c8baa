import type { Bar } from '../bar.js';
import type { InputSize } from '../inputs.js';
import type { Results } from '../results.js';
import { median } from '../statistics.js';

const WIDTH = 1000;
const ROW = 22;
const PANEL_HEAD = 44;
const PANEL_GAP = 14;
const CHARACTER = 7;
/** Characters. Panels with short names have the same place for them. */
const MIN_LABEL = 36;
/** Room right of the longest bar for its figures. */
const FIGURES = 150;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .note { fill: #59636e; font-size: 12px; }
    .peer { fill: #afb8c1; }
    .limit { fill: #d8dee4; }
    .own { fill: #1f6feb; }
    .missed { fill: #d1570a; }
    .mark { stroke: #1f2328; stroke-dasharray: 3 2; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .peer { fill: #656c76; }
      .limit { fill: #3d444d; }
      .own { fill: #4493f8; }
      .missed { fill: #f0883e; }
      .mark { stroke: #f0f6fc; }
    }`;

/** Groups that are shown. The limits of a layer in memory would leave no room for the other rows. */
const GROUPS = {
  gzip: { title: 'gzip layer to tree on tmpfs', limits: false },
  zstd: { title: 'zstd layer to tree on tmpfs', limits: false },
  tar: { title: 'plain tar to tree on tmpfs', limits: false },
  'erofs-memory': { title: 'gzip layer to file on tmpfs', limits: true },
  'erofs-disk': { title: 'gzip layer to file on ext4, durable', limits: true },
  'erofs-image': { title: 'image to store on ext4, durable', limits: true },
  image: { title: 'image to store on ext4, durable', limits: true },
  pull: { title: 'image from a registry to store on ext4, durable', limits: true },
  distant: { title: 'pulled with 50 ms and 20 MB/s a connection', limits: true },
  near: { title: 'pulled from this machine', limits: true },
  push: { title: 'image to an empty registry', limits: true },
  'convert-zstd': { title: 'all layers from gzip to zstd', limits: true },
  'convert-gzip': { title: 'all layers from zstd to gzip', limits: true },
  explore: { title: 'what an image is made of, from an archive', limits: true },
  commit: { title: 'what a container installed becomes a layer of a new image', limits: true },
} as const;
type Group = keyof typeof GROUPS;

interface ChartRow {
  readonly name: string;
  readonly style: 'own' | 'peer' | 'limit' | 'missed';
  /** Share of the panel's room: 0 to 1. */
  readonly length: number;
  readonly figures: string;
}

interface Panel {
  readonly title: string;
  readonly rows: readonly ChartRow[];
  /** Place of a vertical line, as a length. */
  readonly mark?: number;
}

/** A panel for each group and input, each with a scale of its own, and one for the bars. */
export function chart(results: Results & { readonly bars: readonly Bar[] }): string {
  const groups = Object.keys(GROUPS) as Group[];
  const panels = [
    ...inputsOf(results).map((input) => startPanel(results, input)),
    ...groups.flatMap((group) => results.inputs.map((input) => speedPanel(results, group, input))),
    barPanel(results.bars),
  ].filter(({ rows }) => rows.length > 0);
  let y = 0;
  const parts = panels.map((one) => {
    const part = drawn(one, y);
    y += PANEL_HEAD + one.rows.length * ROW + PANEL_GAP;
    return part;
  });
  const note = `${results.machine.cores} cores; MB of tar; light bars do only a part of the work`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-label="${note}">
  <style>${STYLE}
  </style>
${parts.join('\n')}
  <text class="note" x="0" y="${y + 12}">${note}</text>
</svg>
`;
}

/** The releases of Node.js. */
function inputsOf({ measurements }: Results): string[] {
  return [...new Set(measurements.filter(({ group }) => group === 'start').map(({ input }) => input))];
}

function startPanel({ measurements }: Results, name: string): Panel {
  const rows = measurements
    .filter(({ group, input }) => group === 'start' && input === name)
    .map(({ contender, limit, samples }) => ({
      ...{ name: contender, style: styleOf(contender, limit) },
      value: median(samples.map((sample) => sample.seconds)) * 1000,
    }));
  const longest = Math.max(...rows.map(({ value }) => value));
  return {
    title: `${name}: start of the command line, ms, shorter is better`,
    rows: rows.map(({ name, style, value }) => ({
      ...{ name, style, length: value / longest, figures: `${value.toFixed(0)} ms` },
    })),
  };
}

/** Rows show speed, because the time of slow tools would leave no room for fast ones. */
function speedPanel({ measurements }: Results, group: Group, { name, bytes, entries }: InputSize): Panel {
  const rows = measurements
    .filter((one) => one.group === group && one.input === name)
    .filter(({ limit }) => !limit || GROUPS[group].limits)
    .map(({ contender, limit, samples }) => {
      const seconds = median(samples.map((sample) => sample.seconds));
      return { name: contender, style: styleOf(contender, limit), seconds, speed: bytes / 1e6 / seconds };
    })
    .sort((a, b) => a.seconds - b.seconds);
  const fastest = rows[0]?.speed ?? 0;
  const size = `${Math.round(bytes / 1e6)} MB, ${entries.toLocaleString('en')} entries`;
  return {
    title: `${name}: ${size}; ${GROUPS[group].title}, MB/s, longer is better`,
    rows: rows.map(({ name, style, seconds, speed }) => ({
      ...{ name, style, length: speed / fastest },
      figures: `${speed.toFixed(0)} MB/s · ${seconds.toFixed(2)} s`,
    })),
  };
}

/** A bar is met up to the line. Rows end at twice the limit. */
function barPanel(bars: readonly Bar[]): Panel {
  return {
    title: 'Bars: a row that ends before the line is met',
    mark: 0.5,
    rows: bars.map(({ what, input, required, measured, met, share }) => ({
      name: input === '' ? what : `${what}: ${input}`,
      style: met ? 'own' : 'missed',
      length: Math.min(1, share / 2),
      figures: `${measured} (${required})`,
    })),
  };
}

function styleOf(contender: string, limit: boolean): ChartRow['style'] {
  if (limit) return 'limit';
  return contender.includes('overlayer') ? 'own' : 'peer';
}

function drawn({ title, rows, mark = 0 }: Panel, top: number): string {
  const label = CHARACTER * Math.max(MIN_LABEL, ...rows.map(({ name }) => name.length)) + 8;
  const room = WIDTH - label - FIGURES;
  const lines = rows.map(({ name, style, length, figures }, index) => {
    const y = top + PANEL_HEAD + index * ROW;
    const width = Math.max(1, length * room);
    return `  <text x="${label - 8}" y="${y + 5}" text-anchor="end">${escaped(name)}</text>
  <rect class="${style}" x="${label}" y="${y - 8}" width="${width.toFixed(1)}" height="16" rx="2"/>
  <text class="note" x="${(label + Math.max(width, mark * room) + 8).toFixed(1)}" y="${y + 5}">${escaped(figures)}</text>`;
  });
  if (mark > 0) {
    const x = (label + mark * room).toFixed(1);
    const bottom = top + PANEL_HEAD + (rows.length - 1) * ROW + 12;
    lines.push(`  <path class="mark" d="M${x} ${top + PANEL_HEAD - 12}V${bottom}"/>`);
  }
  return [`  <text class="title" x="0" y="${top + 18}">${escaped(title)}</text>`, ...lines].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
