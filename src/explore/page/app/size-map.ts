import { button, colourByLayer, make, section } from './dom.js';
import { formatBytes, formatCount, formatShare } from './format.js';
import { type Model, ROOT } from './model.js';

/** Directories deep. */
const COLUMNS = 5;
/** Of the height of the map. Smaller entries are drawn as one. */
const SMALLEST = 1 / 120;
/** A cell with less of the height has no room for text. */
const LABELLED = 1 / 28;
const LISTED = 12;

interface Cell {
  readonly node: number;
  readonly element: HTMLElement;
  readonly column: number;
  readonly parent: Cell | undefined;
}

/**
 * The map of sizes: a column for each level of directories, and in it a cell as high as its share of the bytes. It is a tree of
 * the keyboard: down and up between neighbours, right into a directory, left out of it, Enter to make it the whole map.
 */
export class SizeMap {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #show: (node: number) => void;
  readonly #map = make('div', {
    class: 'map',
    role: 'tree',
    tabindex: 0,
    'aria-label': 'Map of sizes',
    'aria-describedby': 'map-keys',
  });
  readonly #crumbs = make('ol', { class: 'crumbs' });
  readonly #list = make('div', { class: 'map-list' });
  #cells: Cell[] = [];
  #active: Cell | undefined;

  /** @param show shows the details of a node */
  constructor(model: Model, show: (node: number) => void) {
    this.#model = model;
    this.#show = show;
    this.element = section(
      'map',
      'Map of sizes',
      make(
        'p',
        { class: 'hint', id: 'map-keys' },
        'Height is size, colour is the layer. Select a directory to enlarge it; arrow keys move, Enter enlarges, Backspace goes back.',
      ),
      make('nav', { 'aria-label': 'Enlarged directory' }, this.#crumbs),
      make('div', { class: 'map-with-list' }, this.#map, this.#list),
    );
    this.#map.addEventListener('keydown', (event) => this.#press(event));
    this.#map.addEventListener('click', (event) => {
      const element = (event.target as Element).closest('.cell');
      const cell = this.#cells.find((other) => other.element === element);
      if (cell === undefined) return;
      this.#activate(cell);
      if (model.isDirectory(cell.node))
        this.enlarge(cell.node === this.#top ? model.parent[cell.node]! : cell.node);
    });
    this.#map.addEventListener('focus', () => this.#activate(this.#active ?? this.#cells[0]));
    this.enlarge(ROOT);
  }

  #top = ROOT;

  /** Makes a directory the whole map. */
  enlarge(directory: number): void {
    this.#top = directory;
    this.#cells = [];
    this.#map.replaceChildren();
    this.#draw();
    this.#active = undefined;
    this.#map.removeAttribute('aria-activedescendant');
    if (document.activeElement === this.#map) this.#activate(this.#cells[0]);
    this.#drawCrumbs();
    this.#drawList();
  }

  #draw(): void {
    const model = this.#model;
    const whole = model.bytes[this.#top]! || 1;
    const open: { node: number; column: number; from: number; parent: Cell | undefined }[] = [
      { node: this.#top, column: 0, from: 0, parent: undefined },
    ];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, column, from, parent } = next;
      const cell = this.#add(node, column, from, model.bytes[node]! / whole, parent);
      if (column + 1 >= COLUMNS || !model.isDirectory(node)) continue;
      let at = from;
      let count = 0;
      const children = model.largestIn(node);
      for (const child of children) {
        const share = model.bytes[child]! / whole;
        if (share < SMALLEST) break;
        open.push({ node: child, column: column + 1, from: at, parent: cell });
        at += share;
        count += 1;
      }
      const rest = from + model.bytes[node]! / whole - at;
      if (rest >= SMALLEST) this.#addRest(children.length - count, column + 1, at, rest);
    }
    this.#cells.sort((one, other) => one.column - other.column);
  }

  #add(node: number, column: number, from: number, share: number, parent: Cell | undefined): Cell {
    const model = this.#model;
    const text = `${node === ROOT ? '/' : model.nameOf(node)}`;
    const size = formatBytes(model.bytes[node]!);
    const ofImage = formatShare(model.bytes[node]!, model.bytes[ROOT]!);
    const element = make('div', {
      class: model.isDirectory(node) ? 'cell directory' : 'cell',
      id: `cell-${node}`,
      role: 'treeitem',
      'aria-level': column + 1,
      'aria-selected': 'false',
      'aria-label': `${text}, ${size}, ${ofImage}, layer ${model.mainLayerOf(node)}`,
      title: `${model.pathOf(node)}\n${size}, ${ofImage} of the image`,
    });
    if (share >= LABELLED) element.append(make('bdi', {}, text), ' ', make('small', {}, size));
    place(colourByLayer(element, model.mainLayerOf(node)), column, from, share);
    this.#map.append(element);
    const cell = { node, element, column, parent };
    this.#cells.push(cell);
    return cell;
  }

  #addRest(count: number, column: number, from: number, share: number): void {
    const element = make('div', { class: 'cell rest', 'aria-hidden': 'true' });
    if (share >= LABELLED) element.append(make('small', {}, `${formatCount(count)} smaller`));
    place(element, column, from, share);
    this.#map.append(element);
  }

  #drawCrumbs(): void {
    const nodes = [];
    for (let node = this.#top; node !== ROOT; node = this.#model.parent[node]!) nodes.unshift(node);
    nodes.unshift(ROOT);
    const crumbs = nodes.map((node) => {
      const name = node === ROOT ? '/' : this.#model.nameOf(node);
      if (node === this.#top) return make('li', {}, make('bdi', { 'aria-current': 'true' }, name));
      return make(
        'li',
        {},
        button(name, { class: 'link' }, () => this.enlarge(node)),
      );
    });
    this.#crumbs.replaceChildren(...crumbs);
  }

  /** The same as a table. */
  #drawList(): void {
    const model = this.#model;
    const children = model.largestIn(this.#top);
    const path = model.pathOf(this.#top);
    const rows = children.slice(0, LISTED).map((node) => {
      const name = model.nameOf(node);
      const isDirectory = model.isDirectory(node);
      const press = () => {
        this.#show(node);
        if (isDirectory) this.enlarge(node);
      };
      return make(
        'tr',
        {},
        make('th', { scope: 'row' }, button(isDirectory ? `${name}/` : name, { class: 'link' }, press)),
        make('td', { class: 'number' }, formatBytes(model.bytes[node]!)),
        make('td', { class: 'number' }, formatShare(model.bytes[node]!, model.bytes[this.#top]!)),
      );
    });
    const rest = children.length - rows.length;
    const caption = make('caption', {}, 'Largest in ', make('bdi', { class: 'path' }, path));
    const head = ['Name', 'Size', 'Share'].map((title, at) =>
      make('th', { scope: 'col', class: at > 0 && 'number' }, title),
    );
    this.#list.replaceChildren(
      make('table', {}, caption, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows)),
    );
    if (rest > 0) this.#list.append(make('p', { class: 'hint' }, `and ${formatCount(rest)} smaller`));
  }

  #activate(cell: Cell | undefined): void {
    if (cell === undefined) return;
    this.#active?.element.classList.remove('active');
    this.#active?.element.setAttribute('aria-selected', 'false');
    this.#active = cell;
    cell.element.classList.add('active');
    cell.element.setAttribute('aria-selected', 'true');
    this.#map.setAttribute('aria-activedescendant', cell.element.id);
    this.#show(cell.node);
  }

  #press(event: KeyboardEvent): void {
    const active = this.#active ?? this.#cells[0];
    if (active === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    const neighbours = this.#cells.filter(({ column }) => column === active.column);
    const at = neighbours.indexOf(active);
    const next: Readonly<Record<string, () => void>> = {
      ArrowDown: () => this.#activate(neighbours[at + 1]),
      ArrowUp: () => this.#activate(neighbours[at - 1]),
      ArrowRight: () => this.#activate(this.#cells.find(({ parent }) => parent === active)),
      ArrowLeft: () => this.#activate(active.parent),
      Home: () => this.#activate(this.#cells[0]),
      Enter: () => {
        if (this.#model.isDirectory(active.node)) this.enlarge(active.node);
      },
      Backspace: () => this.enlarge(this.#model.parent[this.#top]!),
    };
    const act = next[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
}

function place(element: HTMLElement, column: number, from: number, share: number): void {
  element.style.setProperty('left', `${(column / COLUMNS) * 100}%`);
  element.style.setProperty('width', `${100 / COLUMNS}%`);
  element.style.setProperty('top', `${from * 100}%`);
  element.style.setProperty('height', `${share * 100}%`);
}
