/**
 * `packkv completion`: scripts that complete commands, flags and values in a shell.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { bashScript, fishScript, type Shape, zshScript } from "./completion_scripts.ts";
import { parseFlags } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage_error.ts";

const SCRIPTS: Readonly<Record<string, (shape: Shape) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/**
 * The command.
 *
 * @param commands All commands there are; asked when it runs, as this is one of them.
 */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    summary: "print a script that completes commands in bash, zsh or fish",
    usage: "{bash,zsh,fish}",
    flags: {},
    examples: [
      "packkv completion bash > ~/.local/share/bash-completion/completions/packkv",
      'packkv completion zsh > "${fpath[1]}/_packkv"',
      "packkv completion fish > ~/.config/fish/completions/packkv.fish",
    ],
    notes: ["The shell completes the name packkv: put the script of that name into your PATH."],
    run(args: readonly string[]): Promise<number> {
      const { positionals: [shell, ...rest] } = parseFlags(args, {});
      if (shell === undefined) {
        throw new UsageError("Cannot complete: name a shell, bash, zsh or fish");
      }
      if (!Object.hasOwn(SCRIPTS, shell)) {
        const guess = nearest(shell, Object.keys(SCRIPTS));
        const hint = guess === null ? "must be bash, zsh or fish" : `did you mean ${guess}?`;
        throw new UsageError(`Cannot complete in ${shell}: ${hint}`);
      }
      if (rest.length > 0) throw new UsageError(`Cannot understand "${rest[0]}": one shell only`);
      console.log(SCRIPTS[shell](shapeOf(commands())));
      return Promise.resolve(0);
    },
  };
}

function shapeOf(commands: readonly Command[]): Shape {
  return commands.map(({ name, summary, flags }) => ({
    name,
    summary,
    flags: Object.entries(flags).map(([flag, { value, choices = [], help }]) => ({
      name: flag,
      help,
      choices: [...choices],
      value: value ?? null,
      takesPath: /^(FILE|MODEL|DIR)$/.test(value ?? ""),
    })),
  }));
}
