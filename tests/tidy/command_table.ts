/** What the project's own commands take. */

import type { Command } from "../../server/cli/command.ts";
import { ENGINE_FLAGS, readEngineFlags } from "../../server/cli/engine_flags.ts";
import { type Flags, parseFlags } from "../../server/cli/flags.ts";
import type { CommandTable } from "./documents.ts";

/** What help calls values that are numbers. */
const NUMBERS = ["GIB", "HOURS", "MIB", "MS", "N", "PORT", "SECONDS", "TOKENS"];

/** Reads arguments as far as that is possible without doing what they ask for. */
export function commandTable(commands: readonly Command[]): CommandTable {
  return new Map(commands.map((command) => {
    return [command.name, command.isRaw ? null : (args) => readArguments(args, command)];
  }));
}

function readArguments(args: readonly string[], { flags: specs }: Command): void {
  const flags = parseFlags(args, specs);
  const ofEngine = Object.keys(ENGINE_FLAGS);
  const startsEngine = ofEngine.every((name) => name in specs);
  if (startsEngine) readEngineFlags(flags);
  for (const [name, { value }] of Object.entries(specs)) {
    const isRead = startsEngine && ofEngine.includes(name);
    if (!isRead && NUMBERS.includes(value ?? "")) checkNumber(name, flags);
  }
}

function checkNumber(name: string, flags: Flags): void {
  const text = flags.text(name);
  // One in capitals stands for any.
  if (text === null || /^[A-Z]+$/.test(text) || Number.isFinite(Number(text))) return;
  throw new TypeError(`Cannot use --${name} ${text}: must be a number`);
}

/** Examples of commands that they refuse. */
export function exampleViolations(commands: readonly Command[]): string[] {
  const table = commandTable(commands);
  return commands.flatMap(({ name, examples }) =>
    examples.flatMap((example) => {
      const args = example.split(/\s+/).slice(1 + name.split(" ").length);
      try {
        table.get(name)?.(args);
        return [];
      } catch (error) {
        return [`${example}: ${(error as Error).message}`];
      }
    })
  );
}
