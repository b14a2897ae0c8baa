import { button, colourByLayer, make, path, section } from './dom.js';
import { FileGrid } from './file-grid.js';
import { FileRows, SHOWS, type Show } from './file-rows.js';
import { formatBytes, formatCount, formatMode, formatTime, shortCommand } from './format.js';
import type { Model } from './model.js';

const WHAT_HAPPENED = {
  added: 'added',
  changed: 'written again',
  removed: 'removed',
  metadata: 'metadata changed',
} as const;

/** The search, the table of files, and the details of one of them. */
export class Files {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #rows: FileRows;
  readonly #grid: FileGrid;
  readonly #details = make('div', { class: 'details', role: 'group', 'aria-label': 'Details' });
  readonly #found = make('p', { class: 'hint found', role: 'status', 'aria-live': 'polite' });
  readonly #text = make('input', {
    type: 'search',
    id: 'search',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'words of a path',
    'aria-keyshortcuts': '/',
  });
  readonly #layer = make('select', { id: 'layer' });
  readonly #shown = make('select', { id: 'show' });

  constructor(model: Model) {
    this.#model = model;
    this.#rows = new FileRows(model);
    this.#grid = new FileGrid(model, this.#rows, (node) => this.show(node));
    this.#layer.append(make('option', { value: '' }, 'all'));
    for (const [at, { command }] of model.data.layers.entries())
      this.#layer.append(
        make('option', { value: at }, `${at}: ${shortCommand(command).slice(0, 50) || 'no command'}`),
      );
    for (const [show, label] of Object.entries(SHOWS))
      if (show !== 'differs' || model.data.comparison !== null)
        this.#shown.append(make('option', { value: show }, label));
    this.element = section(
      'files',
      'Files',
      make(
        'form',
        { class: 'filters', role: 'search', 'aria-label': 'Files' },
        field('Search', this.#text, make('kbd', { 'aria-hidden': 'true' }, '/')),
        field('Layer', this.#layer),
        field('Show', this.#shown),
      ),
      this.#found,
      make('div', { class: 'files' }, this.#grid.element, this.#details),
    );
    this.#listen();
    this.#tellFound();
    this.#details.append(make('p', { class: 'hint' }, 'Select a path to see its layer and its history.'));
  }

  /** Lists what a layer has. */
  showLayer(layer: number): void {
    this.#layer.value = String(layer);
    this.#filter();
    this.element.scrollIntoView();
    this.#grid.focus();
  }

  /** Shows the details of a path. */
  show(node: number): void {
    const model = this.#model;
    const [type, mode, uid, gid] = model.kindOf(node);
    const isThere = model.isInImage(node);
    const link = model.linkOf(node);
    const layer = model.layerOf(node);
    const facts: [string, Node | string | undefined][] = [
      ['Type', type.replace('-', ' ')],
      ['Size', this.#sizeText(node)],
      ['Mode', isThere ? `${formatMode(type, mode)} (${mode.toString(8).padStart(4, '0')})` : undefined],
      ['Owner', isThere ? `${uid}:${gid}` : undefined],
      ['Modified', isThere ? `${formatTime(model.time[node]!)} UTC` : undefined],
      [
        type === 'symlink' ? 'Points to' : 'Same file as',
        link === undefined ? undefined : path(type === 'symlink' ? link : `/${link}`),
      ],
      ['Layer', isThere ? this.#layerText(layer) : 'not in the image'],
    ];
    const list = make('dl', {});
    for (const [term, value] of facts)
      if (value !== undefined) list.append(make('dt', {}, term), make('dd', {}, value));
    this.#details.replaceChildren(make('h3', {}, path(model.pathOf(node))), list, this.#historyOf(node));
    if (this.#rows.isList && isThere)
      this.#details.append(button('Show in the tree', {}, () => this.reveal(node)));
  }

  /** Leaves the search, and makes a path of the tree visible. */
  reveal(node: number): void {
    this.#clear();
    this.#rows.reveal(node);
    this.#grid.update(node);
    this.#tellFound();
    this.#grid.focus();
  }

  #sizeText(node: number): string {
    const model = this.#model;
    const size = `${formatBytes(model.sizeOf(node))}`;
    return model.isDirectory(node) ? `${size} in ${formatCount(model.entries[node]!)} entries` : size;
  }

  #layerText(layer: number): Node {
    const command = shortCommand(this.#model.data.layers[layer]?.command ?? '');
    return make(
      'span',
      {},
      colourByLayer(make('span', { class: 'chip' }, String(layer)), layer),
      ' ',
      make('code', { class: 'command' }, command),
    );
  }

  #historyOf(node: number): Node {
    const rows = this.#model
      .historyOf(node)
      .map(({ layer, what, after }) =>
        make(
          'tr',
          {},
          make('th', { scope: 'row' }, colourByLayer(make('span', { class: 'chip' }, String(layer)), layer)),
          make('td', {}, WHAT_HAPPENED[what]),
          make('td', { class: 'number' }, what === 'removed' ? '' : formatBytes(after)),
        ),
      );
    const head = ['Layer', 'What', 'Size'].map((title, at) =>
      make('th', { scope: 'col', class: at === 2 && 'number' }, title),
    );
    return make(
      'table',
      {},
      make('caption', {}, 'History'),
      make('thead', {}, make('tr', {}, ...head)),
      make('tbody', {}, ...rows),
    );
  }

  #listen(): void {
    this.#text.form!.addEventListener('submit', (event) => event.preventDefault());
    for (const input of [this.#text, this.#layer, this.#shown])
      input.addEventListener('input', () => this.#filter());
    this.#text.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowDown' || event.key === 'Enter') this.#grid.focus();
      else if (event.key === 'Escape') this.#clearText();
      else return;
      event.preventDefault();
    });
    this.#grid.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#clearText();
    });
    document.addEventListener('keydown', (event) => {
      const isTyping = (event.target as Element).matches('input, select, textarea');
      if (event.key !== '/' || isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#text.focus();
      this.#text.select();
    });
  }

  #clearText(): void {
    this.#text.value = '';
    this.#filter();
  }

  #clear(): void {
    this.#text.value = '';
    this.#layer.value = '';
    this.#shown.value = 'image';
  }

  #filter(): void {
    const layer = this.#layer.value === '' ? undefined : Number(this.#layer.value);
    this.#rows.filter({ text: this.#text.value.trim(), layer, show: this.#shown.value as Show });
    this.#grid.update();
    this.#tellFound();
  }

  #tellFound(): void {
    const { nodes, isList } = this.#rows;
    const model = this.#model;
    if (!isList) {
      this.#found.textContent = `${formatCount(model.data.image.entries)} paths. Arrow keys move and open directories.`;
      return;
    }
    let bytes = 0;
    for (const node of nodes) if (!model.isDirectory(node)) bytes += model.sizeOf(node);
    this.#found.textContent = `${formatCount(nodes.length)} ${nodes.length === 1 ? 'path' : 'paths'}, ${formatBytes(bytes)}`;
  }
}

function field(label: string, input: HTMLElement, ...beside: readonly Node[]): HTMLElement {
  return make(
    'div',
    { class: 'field' },
    make('label', { for: input.id }, label),
    make('span', {}, input, ...beside),
  );
}
