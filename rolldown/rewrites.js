import { withoutPrivateNames } from './private-names.js';

/**
 * Rewrites of the code that rolldown generates, which make the command line faster. The sources stay as they are.
 *
 * | rewrite        | generated code                         | becomes                          | gain                               |
 * | -------------- | -------------------------------------- | -------------------------------- | ---------------------------------- |
 * | moduleURL      | `moduleURL()`, for `import.meta.url`   | a function, where it is called   | CommonJS has no `import.meta`      |
 * | lateBuiltins   | `let node_os = require("node:os")`     | loaded at the first use          | 9 ms of a small unpack             |
 * | importByLoader | `import("…")`                          | `importModule("…")`              | no warning of Node                 |
 * | plainExports   | an accessor for each export of a chunk | `exports.name = name`            | 5 µs an export, and a call a use   |
 * | privateNames   | `this.#name`                           | `this._chunk1_name`              | 5 ms of the first layer            |
 *
 * A rewrite has `write(code, chunk)`, which returns the new code. One that looks for a form of generated code has `leftover`,
 * too: other forms of it, which must not be there afterwards. The build fails where they are, and where a rewrite changes
 * nothing in a bundle: rolldown then generates other code than before.
 */

/** Only chunks that need it define it. */
export const moduleURL = {
  name: 'moduleURL',
  write: (code) =>
    code.includes('moduleURL')
      ? prepend(code, "const moduleURL = () => require('node:url').pathToFileURL(__filename).href;")
      : code,
  leftover: /\bimport\.meta\b/,
};

/**
 * Node's own modules are loaded where they are used first, except for those that Node itself has loaded before, and those whose
 * default export is used.
 */
export const lateBuiltins = {
  name: 'lateBuiltins',
  write(code) {
    const late = new Set();
    const declared = code.replace(
      /^let (node_\w+) = (require\("node:(?!(?:fs|path)")[\w/]+"\));$(?!\n\1 =)/gm,
      (_, name, load) => {
        late.add(name);
        return `let loaded_${name};\nconst ${name} = () => (loaded_${name} ??= ${load});`;
      },
    );
    return declared.replace(/(?<![\w$.])(new )?(node_\w+)(?=\.)/g, (whole, isNew, name) => {
      if (!late.has(name)) return whole;
      return isNew ? `new (${name}())` : `${name}()`;
    });
  },
  leftover: /^\w+ (\w+) = require\(.node:(?!(?:fs|path)\b.\))[\w/]+.\);?$(?!\n\1 =)/m,
};

/**
 * The loader of chunks (`load-chunk.ts`) imports modules for them: Node warns of an `import()` in a script that its own `require`
 * has not loaded.
 */
export const importByLoader = {
  name: 'importByLoader',
  write(code) {
    const written = code.replace(/(?<![\w$.])import\((?="|new URL\()/g, 'importModule(');
    return written === code
      ? code
      : prepend(written, 'const importModule = require.import ?? ((specifier) => import(specifier));');
  },
  leftover: /(?<![\w$.])import\((?=["'`]|new URL\()/,
};

/** No export is assigned again after its chunk has run. */
export const plainExports = {
  name: 'plainExports',
  write: (code) =>
    code.replace(
      /^Object\.defineProperty\(exports, "([\w$]+)", \{\s+enumerable: true,\s+get: function ?\(\) \{\s+return ([\w$]+);\s+\}\s+\}\);$/gm,
      'exports.$1 = $2;',
    ),
  leftover: /^Object\.defineProperty\(exports, (?!Symbol\.)/m,
};

/**
 * Code that V8 has not compiled for speed yet finds ordinary properties faster: the first layer of a process takes 5 ms less, and
 * each of the next ten 1 ms less. The compiler has checked before that nothing else uses them.
 */
export const privateNames = { name: 'privateNames', write: withoutPrivateNames };

/** @param line becomes the first one, after that of the interpreter */
export function prepend(code, line) {
  return code.replace(/^(#!.*\n)?/, (interpreter) => `${interpreter}${line}\n`);
}

/** A plugin that rewrites the chunks of one bundle. @throws Error for a rewrite that does not do its work */
export function rewriting(...rewrites) {
  const idle = new Set(rewrites);
  return {
    name: 'rewriting',
    renderChunk(generated, chunk) {
      let code = generated;
      for (const rewrite of rewrites) {
        const written = rewrite.write(code, chunk);
        if (written !== code) idle.delete(rewrite);
        code = written;
        const [left] = rewrite.leftover?.exec(code) ?? [];
        if (left !== undefined)
          throw new Error(`The rewrite ${rewrite.name} leaves code in ${chunk.fileName}: ${left}`);
      }
      return code;
    },
    generateBundle() {
      for (const { name } of idle)
        throw new Error(`The rewrite ${name} has changed nothing: mend it, or do not use it for this bundle`);
    },
  };
}

/**
 * A plugin that writes characters above U+007F as escapes. A string of V8 takes twice the memory if one of its characters is
 * above U+00FF, and sources become strings. It comes last: rolldown prints chunks once more, without escapes.
 */
export const ascii = {
  name: 'ascii',
  generateBundle(_, bundle) {
    const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    for (const chunk of Object.values(bundle))
      if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/[^\0-\x7f]/g, escaped);
  },
};
