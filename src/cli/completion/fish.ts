import type { CompletedCommand, CompletedOption, Values } from './model.js';

export function fishScript(program: CompletedCommand, commands: readonly CompletedCommand[]): string {
  const start = `complete -c ${program.name}`;
  const lines = [
    ...program.options.map((option) => `${start} -n __fish_use_subcommand ${optionArguments(option)}`),
    ...commands.flatMap(({ name, description, options, operands }) => {
      const within = `${start} -n ${quote(`__fish_seen_subcommand_from ${name}`)}`;
      return [
        `${start} -n __fish_use_subcommand -f -a ${name} -d ${quote(description)}`,
        ...options.map((option) => `${within} ${optionArguments(option)}`),
        ...operands.flatMap(({ values }) =>
          typeof values === 'string' ? [] : [`${within} ${valueArguments(values)}`],
        ),
      ];
    }),
  ];
  return `# fish completion for ${program.name}\n${lines.join('\n')}\n`;
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
