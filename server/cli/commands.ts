/**
 * The commands there are, and choosing one.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { cacheFolder } from "../setup/cache_folder.ts";
import { ensureVulkan, setDriverEnvironment } from "../setup/vulkan.ts";
import { benchCommand } from "./bench.ts";
import { benchServeCommand } from "./bench_serve.ts";
import { benchDocumentCommand } from "./bench_document.ts";
import { benchSpeculationCommand } from "./bench_speculation.ts";
import { benchStreamsCommand } from "./bench_streams.ts";
import { calibrateCommand } from "./calibrate.ts";
import type { Command } from "./command.ts";
import { completionCommand } from "./completion.ts";
import { doctorCommand } from "./doctor.ts";
import { evalCommand } from "./eval.ts";
import type { Settings } from "./flags.ts";
import { describeCommand, describeCommands } from "./help.ts";
import { modelsCommand } from "./models.ts";
import { nearest } from "./nearest.ts";
import { runCommand } from "./run.ts";
import { serveCommand } from "./serve.ts";
import { inheritSettings } from "./settings.ts";
import { testCommand } from "./test.ts";
import { UsageError } from "./usage_error.ts";

const helpCommand: Command = {
  name: "help",
  summary: "list the commands, or describe one",
  usage: "[COMMAND]",
  flags: {},
  examples: ["packkv help", "packkv help serve"],
  run(args: readonly string[]): Promise<number> {
    console.log(
      args.length === 0 ? describeCommands(COMMANDS) : describeCommand(findCommand(args).command),
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
  benchServeCommand,
  benchStreamsCommand,
  benchDocumentCommand,
  benchSpeculationCommand,
  evalCommand,
  calibrateCommand,
  modelsCommand,
  testCommand,
  doctorCommand,
  completionCommand(() => COMMANDS),
  helpCommand,
  versionCommand,
];

const NONE: Settings = new Map();

/**
 * Runs a command line.
 *
 * @param args Arguments of the program: a command's name, then its own.
 * @returns The process's exit code.
 * @throws {UsageError} If there is no such command, or its arguments are wrong.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [name] = args;
  if (name === undefined || name === "--help" || name === "-h") {
    return await helpCommand.run([], NONE);
  }
  if (name === "--version" || name === "-V") return await versionCommand.run([], NONE);
  const { command, rest } = findCommand(args);
  if (asksForHelp(rest)) return await helpCommand.run(command.name.split(" "), NONE);
  const { settings, notes } = await inheritSettings(rest, {
    command,
    commands: COMMANDS,
    environment: Deno.env.toObject(),
  });
  for (const note of notes) console.error(`packkv: ${note}`);
  setDriverEnvironment(shaderFolder(command));
  if (command.needsGpu) await ensureVulkan((message) => console.error(`packkv: ${message}`));
  return await command.run(rest, settings);
}

/** Tests keep their shaders in the checkout, so that removing it removes them. */
function shaderFolder(command: Command): string {
  if (command !== testCommand) return join(cacheFolder(), "mesa");
  return fileURLToPath(new URL("../../.cache/mesa", import.meta.url));
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  return flags.includes("--help") || flags.includes("-h");
}

/** The command that `args` begin with, one of two words before one of one, and what follows. */
function findCommand(args: readonly string[]): { command: Command; rest: readonly string[] } {
  for (const wordCount of [2, 1]) {
    const name = args.slice(0, wordCount).join(" ");
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command) return { command, rest: args.slice(wordCount) };
  }
  const [name] = args;
  const guess = nearest(name, COMMANDS.map((candidate) => candidate.name));
  const hint = guess === null ? "see packkv help" : `did you mean ${guess}?`;
  throw new UsageError(`Cannot understand "${name}": no such command; ${hint}`);
}
