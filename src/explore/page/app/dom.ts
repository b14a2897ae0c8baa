type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
type Child = Node | string | undefined;

/**
 * Makes an element. Text becomes text nodes. Attributes that are false or undefined are left out.
 */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

export function button(text: string, attributes: Attributes, press: () => void): HTMLButtonElement {
  const element = make('button', { type: 'button', ...attributes }, text);
  element.addEventListener('click', press);
  return element;
}

/** A part of the page with a heading, which names it. */
export function section(id: string, title: string, ...children: readonly Child[]): HTMLElement {
  const heading = make('h2', { id: `${id}-title` }, title);
  return make('section', { id, 'aria-labelledby': heading.id }, heading, ...children);
}

/** Text of the image: its direction cannot change what stands around it. */
export function path(text: string): HTMLElement {
  return make('bdi', { class: 'path' }, text);
}

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly number?: boolean;
  /** Left out on narrow screens. */
  readonly wide?: boolean;
}

const ROWS = 50;

/** A table that shows more rows on request. */
export function table<Row>(
  caption: string,
  columns: readonly Column[],
  rows: readonly Row[],
  cells: (row: Row) => readonly Child[],
): HTMLElement {
  const classOf = ({ number, wide }: Column) =>
    [number && 'number', wide && 'wide'].filter(Boolean).join(' ') || undefined;
  const head = columns.map((column) => make('th', { scope: 'col', class: classOf(column) }, column.title));
  const body = make('tbody');
  const more = button('', { class: 'more' }, () => show(ROWS * 4));
  const show = (count: number) => {
    const from = body.rows.length;
    for (const row of rows.slice(from, from + count))
      body.append(
        make(
          'tr',
          {},
          ...cells(row).map((cell, at) =>
            make(at === 0 ? 'th' : 'td', { scope: at === 0 && 'row', class: classOf(columns[at]!) }, cell),
          ),
        ),
      );
    const left = rows.length - body.rows.length;
    more.hidden = left <= 0;
    more.textContent = `Show more (${left.toLocaleString('en')} left)`;
  };
  show(ROWS);
  return make(
    'div',
    { class: 'table' },
    make('table', {}, make('caption', {}, caption), make('thead', {}, make('tr', {}, ...head)), body),
    more,
  );
}

/** The colour of a layer. Neighbours differ: the step is the golden angle. */
export function colourByLayer<Styled extends HTMLElement>(element: Styled, layer: number): Styled {
  element.style.setProperty('--hue', String(Math.round(250 + layer * 137.5) % 360));
  return element;
}
