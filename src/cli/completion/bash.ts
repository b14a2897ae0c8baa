import type { CompletedCommand, CompletedOption, Values } from './model.js';

/** Needs only bash 4: no bash-completion package, and no Node process for each key. */
export function bashScript(program: CompletedCommand): string {
  const { name } = program;
  return `# bash completion for ${name}
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words
  # "=" is a word of its own here: --flag = value
  if [[ $cur == '=' ]]; then cur=''
  elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
${groupLines(program, 1)
  .map((line) => `  ${line}`)
  .join('\n')}
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _${name} ${name}
`;
}

/** Completes the name of a subcommand, and then what follows it at `position`. */
function groupLines({ options, commands }: CompletedCommand, position: number): string[] {
  const words = [...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ');
  return [
    `if ((COMP_CWORD == ${position})); then`,
    `  words='${words}'`,
    'else',
    `  case \${COMP_WORDS[${position}]} in`,
    ...commands.flatMap((command) => [
      `    ${command.name})`,
      ...commandLines(command, position + 1).map((line) => `      ${line}`),
      '      ;;',
    ]),
    '  esac',
    'fi',
  ];
}

function commandLines(command: CompletedCommand, position: number): string[] {
  if (command.commands.length > 0) return groupLines(command, position);
  const { options, operands } = command;
  const flags = options.map(({ flag }) => flag).join(' ');
  const choices = operands.flatMap(({ values }) => (typeof values === 'string' ? [] : values)).join(' ');
  const cases = valueCases(options);
  return [
    ...(cases.length > 0 ? ['case $prev in', ...cases.map((line) => `  ${line}`), 'esac'] : []),
    // No words: readline completes file names, as for any command.
    `[[ $cur == -* ]] && words='${flags}' || words='${choices}'`,
  ];
}

/** One case for all options with the same completions. */
function valueCases(options: readonly CompletedOption[]): string[] {
  const flags = new Map<string, string[]>();
  for (const { flag, values } of options)
    if (values !== undefined) flags.set(reply(values), [...(flags.get(reply(values)) ?? []), flag]);
  return [...flags].map(([command, alike]) => `${alike.join(' | ')}) ${command} ;;`);
}

function reply(values: Values): string {
  if (values === 'path') return 'return';
  if (values === 'directory') return 'compopt -o dirnames +o default; return';
  if (values === 'free') return 'compopt +o bashdefault +o default; return';
  return `COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur")); return`;
}
