import { parseAst } from 'rolldown/parseAst';

/** Turns private names (`#name`) of classes into ordinary properties, whose names occur in no other class. */
export function withoutPrivateNames(code, { name }) {
  const found = findPrivateNames(parseAst(code), name.replace(/\W/g, '_'));
  let written = '';
  let at = 0;
  for (const { start, end, text } of found) {
    written += code.slice(at, start) + text;
    at = end;
  }
  return written + code.slice(at);
}

/** @returns the places of private names in order, and the text to write there */
function findPrivateNames(program, prefix) {
  const found = [];
  /** The classes around the node, the outermost first. */
  const classes = [];
  let count = 0;
  const visit = (node, parent) => {
    if (Array.isArray(node)) for (const each of node) visit(each, parent);
    if (typeof node?.type !== 'string') return;
    const isClass = node.type === 'ClassDeclaration' || node.type === 'ClassExpression';
    if (isClass) {
      const names = node.body.body.map(({ key }) => key).filter((key) => key?.type === 'PrivateIdentifier');
      count += 1;
      classes.push({ id: `_${prefix}${count}_`, names: new Set(names.map((key) => key.name)) });
    }
    if (node.type === 'PrivateIdentifier') {
      const { id } = classes.findLast(({ names }) => names.has(node.name));
      const isOperand = parent.type === 'BinaryExpression'; // `#name in object`
      const text = id + node.name;
      found.push({ start: node.start, end: node.end, text: isOperand ? `'${text}'` : text });
    }
    for (const value of Object.values(node)) if (typeof value === 'object') visit(value, node);
    if (isClass) classes.pop();
  };
  visit(program);
  return found.sort((a, b) => a.start - b.start);
}
