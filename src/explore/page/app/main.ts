import type { PageData } from '../page-format.js';
import { make, path } from './dom.js';
import { Files } from './files.js';
import { Model } from './model.js';
import { SizeMap } from './size-map.js';
import { comparisonSection, directoriesSection, layersSection, summary, wasteSection } from './tables.js';

const source = document.getElementById('data')!;
const data: PageData = JSON.parse(source.textContent!);
source.remove();
const { name, digest, platform, createdAt } = data.image;
const title = name || digest || 'A layer';
document.title = `${title}: what it is made of`;

const model = new Model(data);
const files = new Files(model);
const map = new SizeMap(model, (node) => files.show(node));

/** Paths that are not in the image have details only. */
function open(node: number): void {
  files.element.scrollIntoView();
  if (model.isInImage(node)) files.reveal(node);
  else files.show(node);
}

function enlarge(directory: number): void {
  map.enlarge(directory);
  map.element.scrollIntoView();
}

const sections = [
  layersSection(model, (layer) => files.showLayer(layer)),
  map.element,
  files.element,
  wasteSection(model, open),
  comparisonSection(model, open),
  directoriesSection(model, enlarge),
].filter((element) => element !== undefined);

const links = sections.map((element) =>
  make('li', {}, make('a', { href: `#${element.id}` }, element.querySelector('h2')!.textContent!)),
);
const facts = [platform, createdAt && `created ${createdAt}`, name && digest].filter((fact) => fact !== '');
document.body.prepend(
  make('a', { class: 'skip', href: '#content' }, 'Skip to the content'),
  make(
    'header',
    {},
    make('h1', {}, path(title)),
    make('p', { class: 'facts' }, ...facts.map((fact) => make('bdi', {}, fact))),
    summary(model),
  ),
  make('nav', { class: 'sections', 'aria-label': 'Sections' }, make('ul', {}, ...links)),
  make('main', { id: 'content' }, ...sections),
  make('footer', {}, make('p', {}, 'Made by overlayer. The page needs no network.')),
);
// After the page is drawn: no key of the search waits for it.
setTimeout(() => model.prepareSearch(), 0);
