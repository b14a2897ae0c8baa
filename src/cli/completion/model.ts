import type { Command, Option } from 'commander';

/** The completions of a value: one of these words, a path, a directory, or none. */
export type Values = readonly string[] | 'path' | 'directory' | 'free';

export interface CompletedOption {
  readonly flag: string;
  readonly description: string;
  /** Undefined for an option without a value. */
  readonly values: Values | undefined;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly operands: readonly { readonly name: string; readonly values: Values }[];
  readonly commands: readonly CompletedCommand[];
}

/** The part of a commander program that completion needs. */
export function describeCommand(command: Command): CompletedCommand {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map(describeOption),
    operands: command.registeredArguments.map((operand) => ({
      name: operand.name(),
      values: operand.argChoices ?? valuesByName(operand.name()),
    })),
    commands: command.commands.map(describeCommand),
  };
}

function describeOption(option: Option): CompletedOption {
  const [, valueName] = /<(.+)>/.exec(option.flags) ?? [];
  const values = valueName === undefined ? undefined : (option.argChoices ?? valuesByName(valueName));
  return { flag: option.long ?? option.flags, description: option.description, values };
}

const PATHS = ['LAYER', 'SOURCE', 'FILE'];
const DIRECTORIES = ['DIR', 'DEST', 'TARGET', 'LOWER', 'UPPER'];

function valuesByName(name: string): Values {
  if (PATHS.includes(name)) return 'path';
  return DIRECTORIES.includes(name) ? 'directory' : 'free';
}
