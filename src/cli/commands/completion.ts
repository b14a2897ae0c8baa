import type { Command } from 'commander';
import { bashScript } from '../completion/bash.js';
import { fishScript } from '../completion/fish.js';
import { describeCommand } from '../completion/model.js';
import { zshScript } from '../completion/zsh.js';
import { standardOutput } from '../standard-streams.js';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** Prints the completion script of `program` for a shell. */
export function printCompletion(program: Command, shell: keyof typeof SCRIPTS): void {
  standardOutput.write(SCRIPTS[shell](describeCommand(program)));
}
