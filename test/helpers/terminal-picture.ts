/** Draws a screen of `tmux capture-pane -e` as SVG: text on a grid, in colours that fit pages with light and dark grounds. */

const CELL = { width: 8.4, height: 18, baseline: 13 } as const;
const MARGIN = 12;
/** Numbers and an `m` follow. */
const ESCAPE = '\x1b[';
const GROUND = '#16181d';
const TEXT = '#d8dce4';
const DIM = '#858c9b';
/** The eight colours of a terminal, by the digit of their code. */
const COLORS = [GROUND, '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', TEXT] as const;

interface Style {
  readonly color: string | undefined;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

const PLAIN: Style = { color: undefined, bold: false, dim: false, inverse: false };

/** @param screen lines of text with escapes for colours and styles */
export function terminalPicture(screen: string, columns: number, rows: number): string {
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = rows * CELL.height + 2 * MARGIN;
  const drawn: string[] = [];
  let style = PLAIN;
  for (const [row, line] of screen.split('\n').entries()) {
    let column = 0;
    for (const [at, piece] of line.split(ESCAPE).entries()) {
      const codes = at === 0 ? '' : piece.slice(0, piece.indexOf('m'));
      if (at > 0) for (const code of codes.split(';')) style = styleAfter(style, Number(code));
      const text = at === 0 ? piece : piece.slice(codes.length + 1);
      const { length } = [...text];
      if (length > 0) drawn.push(draw(text, { column, length, row }, style));
      column += length;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" rx="8" fill="${GROUND}"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
${drawn.join('')}</g>
</svg>
`;
}

function styleAfter(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 7 || code === 27) return { ...style, inverse: code === 7 };
  if (code >= 30 && code <= 37) return { ...style, color: COLORS[code - 30] };
  if (code === 39) return { ...style, color: undefined };
  return style;
}

interface Place {
  readonly column: number;
  readonly length: number;
  readonly row: number;
}

/** Each run has the width of its cells, whatever font the reader has. */
function draw(text: string, { column, length, row }: Place, { color, bold, dim, inverse }: Style): string {
  const x = MARGIN + column * CELL.width;
  const y = MARGIN + row * CELL.height;
  const width = length * CELL.width;
  const ink = color ?? (dim ? DIM : TEXT);
  const ground = inverse
    ? `<rect x="${round(x)}" y="${y}" width="${round(width)}" height="${CELL.height}" fill="${ink}"/>\n`
    : '';
  if (text.trim() === '') return ground;
  const weight = bold ? ' font-weight="bold"' : '';
  const fill = inverse ? GROUND : ink;
  return `${ground}<text x="${round(x)}" y="${y + CELL.baseline}" textLength="${round(width)}" fill="${fill}"${weight}>${escaped(text)}</text>\n`;
}

function round(length: number): string {
  return String(Math.round(length * 10) / 10);
}

/** Spaces that XML does not collapse. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0');
}
