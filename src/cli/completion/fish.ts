import type { CompletedCommand, CompletedOption, Values } from './model.js';

export function fishScript(program: CompletedCommand): string {
  const { name } = program;
  return `# fish completion for ${name}
# at: the line is these commands; in: the line begins with these commands.
function __${name}_at
  set -l words (commandline -opc)
  set words[1] ${name}
  test (string join ' ' -- $words) = (string join ' ' -- ${name} $argv)
end
function __${name}_in
  set -l words (commandline -opc)
  set words[1] ${name}
  test (string join ' ' -- $words[1..(math 1 + (count $argv))]) = (string join ' ' -- ${name} $argv)
end
${commandLines(program, name, []).join('\n')}
`;
}

/** @param path the commands that lead to it */
function commandLines(
  { options, operands, commands }: CompletedCommand,
  program: string,
  path: readonly string[],
): string[] {
  const start = (test: 'at' | 'in') =>
    `complete -c ${program} -n ${quote([`__${program}_${test}`, ...path].join(' '))}`;
  const own = start(commands.length > 0 ? 'at' : 'in');
  return [
    ...options.map((option) => `${own} ${optionArguments(option)}`),
    ...operands.flatMap(({ values }) =>
      typeof values === 'string' ? [] : [`${own} ${valueArguments(values)}`],
    ),
    ...commands.flatMap((command) => [
      `${start('at')} -f -a ${command.name} -d ${quote(command.description)}`,
      ...commandLines(command, program, [...path, command.name]),
    ]),
  ];
}

function optionArguments({ flag, description, values }: CompletedOption): string {
  const value = values === undefined ? '' : ` ${valueArguments(values)}`;
  return `-l ${flag.replace(/^--/, '')}${value} -d ${quote(description)}`;
}

function valueArguments(values: Values): string {
  if (values === 'path') return '-r -F';
  if (values === 'directory') return "-x -a '(__fish_complete_directories)'";
  return values === 'free' ? '-x' : `-x -a ${quote(values.join(' '))}`;
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
