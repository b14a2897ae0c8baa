import { button, colourByLayer, make } from './dom.js';
import type { FileRows, Order } from './file-rows.js';
import { formatBytes, formatMode, formatTime } from './format.js';
import { type Model, ROOT } from './model.js';

/** Height of a row in CSS pixels, as in the style sheet. */
const ROW_HEIGHT = 30;
/** Rows outside the visible part, on both sides. */
const OVERSCAN = 8;
/** Browsers end elements at about 33 million pixels. */
const MOST_ROWS = 1_000_000;
const LEVEL_INDENT = 18;
const DEEPEST_INDENT = 12;

const COLUMNS: readonly { readonly title: string; readonly name: string; readonly order?: Order }[] = [
  { title: 'Name', name: 'name', order: 'name' },
  { title: 'Size', name: 'size', order: 'size' },
  { title: 'Layer', name: 'layer' },
  { title: 'Mode', name: 'mode' },
  { title: 'Modified (UTC)', name: 'time' },
];

/** The table of files, by the treegrid pattern: the rows that are visible are elements, the others are none. */
export class FileGrid {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #rows: FileRows;
  readonly #show: (node: number) => void;
  readonly #head: HTMLElement;
  readonly #body = make('div', { class: 'grid-body', role: 'rowgroup' });
  #active = 0;

  /** @param show shows the details of a node */
  constructor(model: Model, rows: FileRows, show: (node: number) => void) {
    this.#model = model;
    this.#rows = rows;
    this.#show = show;
    this.#head = make('div', { class: 'grid-row head', role: 'row', 'aria-rowindex': 1 });
    this.element = make(
      'div',
      { class: 'grid', role: 'treegrid', tabindex: 0, 'aria-label': 'Files', 'aria-readonly': 'true' },
      make('div', { class: 'grid-head', role: 'rowgroup' }, this.#head),
      this.#body,
    );
    this.element.addEventListener('scroll', () => this.#draw(), { passive: true });
    this.element.addEventListener('keydown', (event) => this.#press(event));
    this.#body.addEventListener('click', (event) => this.#click(event.target as Element));
    new ResizeObserver(() => this.#draw()).observe(this.element);
    this.update();
  }

  /** Shows the rows as they are now. @param node the active one; the first row without it */
  update(node?: number): void {
    const { nodes } = this.#rows;
    const at = node === undefined ? 0 : nodes.indexOf(node);
    this.#active = Math.max(0, at);
    const count = Math.min(nodes.length, MOST_ROWS);
    this.element.setAttribute('aria-rowcount', String(count + 1));
    this.#body.style.setProperty('height', `${count * ROW_HEIGHT}px`);
    this.#drawHead();
    this.#scrollToActive();
    this.#draw();
  }

  focus(): void {
    this.element.focus();
    this.#activate(this.#active);
  }

  #drawHead(): void {
    const cells = COLUMNS.map(({ title, name, order }) => {
      const isSorted = order !== undefined && order === this.#rows.order;
      const sort = isSorted ? (order === 'size' ? 'descending' : 'ascending') : undefined;
      const cell = make('div', { class: `cell-${name}`, role: 'columnheader', 'aria-sort': sort });
      if (order === undefined) cell.append(title);
      else
        cell.append(
          button(
            isSorted ? `${title} ${order === 'size' ? '▼' : '▲'}` : title,
            { class: 'sort', 'aria-label': `Sort by ${order}` },
            () => this.#sort(order),
          ),
        );
      return cell;
    });
    this.#head.replaceChildren(...cells);
  }

  #sort(order: Order): void {
    this.#rows.sort(order);
    this.update();
    this.#head.querySelector<HTMLElement>(`.cell-${order} button`)?.focus();
  }

  #draw(): void {
    const { nodes } = this.#rows;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(
      nodes.length,
      MOST_ROWS,
      first + Math.ceil(clientHeight / ROW_HEIGHT) + 2 * OVERSCAN,
    );
    const elements: HTMLElement[] = [];
    for (let at = first; at < last; at++) elements.push(this.#rowOf(at, nodes[at]!));
    this.#body.replaceChildren(...elements);
    if (nodes.length === 0)
      this.#body.append(
        make(
          'div',
          { role: 'row', class: 'grid-row' },
          make('div', { role: 'gridcell' }, 'No path is like that.'),
        ),
      );
    if (first <= this.#active && this.#active < last)
      this.element.setAttribute('aria-activedescendant', `row-${this.#active}`);
    else this.element.removeAttribute('aria-activedescendant');
  }

  #rowOf(at: number, node: number): HTMLElement {
    const model = this.#model;
    const isTree = !this.#rows.isList;
    const isDirectory = model.isDirectory(node);
    const isOpen = isTree && isDirectory && this.#rows.isOpen(node);
    const [type, mode] = model.kindOf(node);
    const isThere = model.isInImage(node);
    const name = make('div', { role: 'gridcell', class: 'cell-name' });
    if (isTree) {
      const depth = model.depthOf(node) - 1;
      name.style.setProperty(
        'padding-inline-start',
        `${Math.min(depth, DEEPEST_INDENT) * LEVEL_INDENT + 4}px`,
      );
      name.append(
        make('span', { class: 'twisty', 'aria-hidden': 'true' }, isDirectory ? (isOpen ? '▾' : '▸') : ''),
      );
    } else if (model.parent[node] !== ROOT)
      name.append(make('bdi', { class: 'folder' }, `${model.pathOf(model.parent[node]!)}/`));
    else name.append('/');
    name.append(
      make(
        'bdi',
        { class: isThere ? 'name' : 'name gone' },
        isDirectory ? `${model.nameOf(node)}/` : model.nameOf(node),
      ),
    );
    const size = make('div', { role: 'gridcell', class: 'cell-size' }, formatBytes(model.sizeOf(node)));
    const whole = isTree ? model.bytes[model.parent[node]!]! : model.bytes[ROOT]!;
    size.style.setProperty('--share', String(whole === 0 || !isThere ? 0 : model.bytes[node]! / whole));
    const layer = isThere ? model.layerOf(node) : (model.historyOf(node).at(-1)?.layer ?? -1);
    const row = make(
      'div',
      {
        class: 'grid-row',
        id: `row-${at}`,
        role: 'row',
        'aria-rowindex': at + 2,
        'aria-level': isTree ? model.depthOf(node) : 1,
        'aria-expanded': isTree && isDirectory ? String(isOpen) : undefined,
        'aria-selected': String(at === this.#active),
      },
      name,
      size,
      make(
        'div',
        { role: 'gridcell', class: 'cell-layer' },
        layer < 0 ? '' : colourByLayer(make('span', { class: 'chip' }, String(layer)), layer),
      ),
      make('div', { role: 'gridcell', class: 'cell-mode' }, isThere ? formatMode(type, mode) : 'removed'),
      make('div', { role: 'gridcell', class: 'cell-time' }, isThere ? formatTime(model.time[node]!) : ''),
    );
    row.style.setProperty('top', `${at * ROW_HEIGHT}px`);
    return row;
  }

  #click(target: Element): void {
    const row = target.closest('.grid-row');
    if (row === null || row.id === '') return;
    this.#activate(Number(row.id.slice('row-'.length)));
    const node = this.#rows.nodes[this.#active]!;
    if (!this.#rows.isList && this.#model.isDirectory(node)) this.#setOpen(node, !this.#rows.isOpen(node));
  }

  #activate(at: number): void {
    const { nodes } = this.#rows;
    if (nodes.length === 0) return;
    this.#active = Math.max(0, Math.min(at, nodes.length - 1, MOST_ROWS - 1));
    this.#scrollToActive();
    this.#draw();
    this.#show(nodes[this.#active]!);
  }

  #scrollToActive(): void {
    const view = this.element.clientHeight - this.#head.offsetHeight;
    const top = this.#active * ROW_HEIGHT;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + ROW_HEIGHT > this.element.scrollTop + view)
      this.element.scrollTop = top + ROW_HEIGHT - view;
  }

  #setOpen(node: number, isOpen: boolean): void {
    this.#rows.setOpen(node, isOpen);
    this.update(node);
  }

  #press(event: KeyboardEvent): void {
    if (event.target !== this.element || event.ctrlKey || event.altKey || event.metaKey) return;
    const node = this.#rows.nodes[this.#active];
    if (node === undefined) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_HEIGHT) - 2);
    const keys: Readonly<Record<string, () => void>> = {
      ArrowDown: () => this.#activate(this.#active + 1),
      ArrowUp: () => this.#activate(this.#active - 1),
      PageDown: () => this.#activate(this.#active + page),
      PageUp: () => this.#activate(this.#active - page),
      Home: () => this.#activate(0),
      End: () => this.#activate(this.#rows.nodes.length - 1),
      ArrowRight: () => this.#goIn(node),
      ArrowLeft: () => this.#goOut(node),
      Enter: () => this.#choose(node),
      ' ': () => this.#choose(node),
    };
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  #goIn(node: number): void {
    if (this.#rows.isList || !this.#model.isDirectory(node)) return;
    if (this.#rows.isOpen(node)) this.#activate(this.#active + 1);
    else this.#setOpen(node, true);
  }

  #goOut(node: number): void {
    if (this.#rows.isList) return;
    if (this.#model.isDirectory(node) && this.#rows.isOpen(node)) this.#setOpen(node, false);
    else {
      const parent = this.#rows.nodes.indexOf(this.#model.parent[node]!);
      if (parent >= 0) this.#activate(parent);
    }
  }

  #choose(node: number): void {
    if (this.#rows.isList) this.#show(node);
    else if (this.#model.isDirectory(node)) this.#setOpen(node, !this.#rows.isOpen(node));
  }
}
