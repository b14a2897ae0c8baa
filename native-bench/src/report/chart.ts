import type { Results } from '../results.js';
import { median } from '../statistics.js';

const WIDTH = 820;
const LABEL = 150;
const ROW = 22;
const PANEL_HEAD = 44;
const PANEL_GAP = 14;
/** Room right of the longest bar for its figures. */
const FIGURES = 150;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .note { fill: #59636e; font-size: 12px; }
    .peer { fill: #afb8c1; }
    .own { fill: #1f6feb; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .peer { fill: #656c76; }
      .own { fill: #4493f8; }
    }`;

interface BarRow {
  readonly name: string;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
}

/** Speed on gzip layers, a panel for each input. Speed rather than time, so that the slow leave room for the fast. */
export function chart(results: Results): string {
  const panels = results.inputs.flatMap(({ name, entries, bytes }) => {
    const rows = barRows(results, name, bytes);
    const title = `${name}: ${Math.round(bytes / 1e6)} MB, ${entries.toLocaleString('en')} entries`;
    return rows.length === 0 ? [] : [{ title, rows }];
  });
  const fastest = Math.max(...panels.flatMap(({ rows }) => rows.map((row) => row.megabytesPerSecond)));
  let y = 0;
  const parts = panels.map(({ title, rows }) => {
    const part = panel(title, rows, y, fastest);
    y += PANEL_HEAD + rows.length * ROW + PANEL_GAP;
    return part;
  });
  const note = `gzip layer to tree on tmpfs, MB of tar a second, longer is better; ${results.machine.cores} cores`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-label="${note}">
  <style>${STYLE}
  </style>
${parts.join('\n')}
  <text class="note" x="0" y="${y + 12}">${note}</text>
</svg>
`;
}

function barRows({ measurements }: Results, input: string, bytes: number): BarRow[] {
  return measurements
    .filter(
      (one) =>
        one.group === 'gzip' && one.input === input && !one.limit && !one.contender.endsWith('digests'),
    )
    .map(({ contender, samples }) => {
      const seconds = median(samples.map((sample) => sample.seconds));
      return { name: contender, seconds, megabytesPerSecond: bytes / 1e6 / seconds };
    })
    .sort((a, b) => a.seconds - b.seconds);
}

function panel(title: string, rows: readonly BarRow[], top: number, fastest: number): string {
  const scale = (WIDTH - LABEL - FIGURES) / fastest;
  const lines = rows.map(({ name, seconds, megabytesPerSecond }, index) => {
    const y = top + PANEL_HEAD + index * ROW;
    const width = Math.max(1, megabytesPerSecond * scale);
    const style = name.startsWith('overlayer') ? 'own' : 'peer';
    const figures = `${megabytesPerSecond.toFixed(0)} MB/s · ${seconds.toFixed(2)} s`;
    return `  <text x="${LABEL - 8}" y="${y + 5}" text-anchor="end">${name}</text>
  <rect class="${style}" x="${LABEL}" y="${y - 8}" width="${width.toFixed(1)}" height="16" rx="2"/>
  <text class="note" x="${(LABEL + width + 8).toFixed(1)}" y="${y + 5}">${figures}</text>`;
  });
  return [`  <text class="title" x="0" y="${top + 18}">${title}</text>`, ...lines].join('\n');
}
