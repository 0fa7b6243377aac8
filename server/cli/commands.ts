/**
 * The commands there are, and choosing one.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { benchCommand } from "./bench.ts";
import type { Command } from "./command.ts";
import { doctorCommand } from "./doctor.ts";
import { evalCommand } from "./eval.ts";
import { describeCommand, describeCommands } from "./help.ts";
import { nearest } from "./nearest.ts";
import { runCommand } from "./run.ts";
import { serveCommand } from "./serve.ts";
import { testCommand } from "./test.ts";
import { UsageError } from "./usage_error.ts";

const helpCommand: Command = {
  name: "help",
  summary: "show this list, or all about one command",
  usage: "[COMMAND]",
  flags: {},
  examples: ["packkv help", "packkv help serve"],
  run([name]: readonly string[]): Promise<number> {
    console.log(
      name === undefined ? describeCommands(COMMANDS) : describeCommand(findCommand(name)),
    );
    return Promise.resolve(0);
  },
};

const versionCommand: Command = {
  name: "version",
  summary: "show the version",
  usage: "",
  flags: {},
  examples: ["packkv version"],
  run(): Promise<number> {
    console.log(`packkv ${config.version} (Deno ${Deno.version.deno})`);
    return Promise.resolve(0);
  },
};

/** All commands, in the order help lists them. */
export const COMMANDS: readonly Command[] = [
  serveCommand,
  runCommand,
  benchCommand,
  evalCommand,
  testCommand,
  doctorCommand,
  helpCommand,
  versionCommand,
];

/**
 * Runs a command line.
 *
 * @param args Arguments of the program: a command's name, then its own.
 * @returns The process's exit code.
 * @throws {UsageError} If there is no such command, or its arguments are wrong.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h") return await helpCommand.run([]);
  if (name === "--version" || name === "-V") return await versionCommand.run([]);
  const command = findCommand(name);
  if (asksForHelp(rest)) return await helpCommand.run([command.name]);
  return await command.run(rest);
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  return flags.includes("--help") || flags.includes("-h");
}

function findCommand(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command) return command;
  const guess = nearest(name, COMMANDS.map((candidate) => candidate.name));
  const hint = guess === null ? "see packkv help" : `did you mean ${guess}?`;
  throw new UsageError(`Cannot understand "${name}": no such command; ${hint}`);
}
