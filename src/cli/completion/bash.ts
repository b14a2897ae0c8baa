import type { CompletedCommand, CompletedOption, Values } from './model.js';

/** Needs nothing but bash 4: no bash-completion package, and no start of Node for each key. */
export function bashScript(program: CompletedCommand, commands: readonly CompletedCommand[]): string {
  const { name } = program;
  return `# bash completion for ${name}
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words
  # "=" is a word of its own here: --flag = value
  if [[ $cur == '=' ]]; then cur=''
  elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  if ((COMP_CWORD == 1)); then
    words='${[...commands.map((command) => command.name), ...program.options.map(({ flag }) => flag)].join(' ')}'
  else
    case \${COMP_WORDS[1]} in
${commands.map(commandCase).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _${name} ${name}
`;
}

function commandCase({ name, options, operands }: CompletedCommand): string {
  const flags = options.map(({ flag }) => flag).join(' ');
  const choices = operands.flatMap(({ values }) => (typeof values === 'string' ? [] : values)).join(' ');
  const cases = valueCases(options);
  const lines = [
    ...(cases.length > 0 ? ['case $prev in', ...cases.map((line) => `  ${line}`), 'esac'] : []),
    // No words: readline completes file names, as for any command.
    `[[ $cur == -* ]] && words='${flags}' || words='${choices}'`,
  ];
  return [`      ${name})`, ...lines.map((line) => `        ${line}`), '        ;;'].join('\n');
}

/** One case for all options whose values are completed alike. */
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
