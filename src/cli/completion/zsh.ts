import type { CompletedCommand, CompletedOption, Values } from './model.js';

/** Works as a file in `$fpath` and when sourced by `.zshrc`. */
export function zshScript(program: CompletedCommand): string {
  const { name } = program;
  return `#compdef ${name}
_${name}() {
  local -a commands
${groupLines(program)
  .map((line) => `  ${line}`)
  .join('\n')}
}
if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

/** Completes the name of a subcommand, and then what follows it on the line. */
function groupLines({ options, commands }: CompletedCommand): string[] {
  return [
    'commands=(',
    ...commands.map(({ name, description }) => `  ${quote(`${name}:${description}`)}`),
    ')',
    'if ((CURRENT == 2)); then',
    '  if [[ $PREFIX == -* ]]; then',
    `    _arguments ${options.map(optionSpec).join(' ')}`,
    '  else',
    '    _describe command commands',
    '  fi',
    '  return',
    'fi',
    '# The words of _arguments begin at the command.',
    'shift words',
    '((CURRENT--))',
    'case $words[1] in',
    ...commands.flatMap((command) => [
      `  ${command.name})`,
      ...commandLines(command).map((line) => `    ${line}`),
      '    ;;',
    ]),
    'esac',
  ];
}

function commandLines(command: CompletedCommand): string[] {
  if (command.commands.length > 0) return groupLines(command);
  const specs = [
    ...command.options.map(optionSpec),
    ...command.operands.map(({ name, values }, index) => quote(`${index + 1}:${name}:${action(values)}`)),
  ];
  return [`_arguments ${specs.join(' \\\n        ')}`];
}

/** The asterisk allows the option to be repeated. */
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
