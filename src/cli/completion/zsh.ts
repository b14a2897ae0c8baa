import type { CompletedCommand, CompletedOption, Values } from './model.js';

/** Works both as a file of `$fpath` and sourced from `.zshrc`. */
export function zshScript(program: CompletedCommand, commands: readonly CompletedCommand[]): string {
  const { name } = program;
  return `#compdef ${name}
_${name}() {
  local -a commands=(
${commands.map((command) => `    ${quote(`${command.name}:${command.description}`)}`).join('\n')}
  )
  if ((CURRENT == 2)); then
    if [[ $PREFIX == -* ]]; then
      _arguments ${program.options.map(optionSpec).join(' ')}
    else
      _describe command commands
    fi
    return
  fi
  # The words of _arguments begin at the command.
  shift words
  ((CURRENT--))
  case $words[1] in
${commands.map(commandCase).join('\n')}
  esac
}
if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function commandCase({ name, options, operands }: CompletedCommand): string {
  const specs = [
    ...options.map(optionSpec),
    ...operands.map(({ name, values }, index) => quote(`${index + 1}:${name}:${action(values)}`)),
  ];
  return `    ${name})\n      _arguments ${specs.join(' \\\n        ')}\n      ;;`;
}

/** An asterisk: the option may come again. */
function optionSpec({ flag, description, values }: CompletedOption): string {
  const text = description.replace(/[[\]:\\]/g, '\\$&');
  return quote(values === undefined ? `*${flag}[${text}]` : `*${flag}=[${text}]:value:${action(values)}`);
}

function action(values: Values): string {
  if (values === 'path') return '_files';
  if (values === 'directory') return '_files -/';
  return values === 'free' ? ' ' : `(${values.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
