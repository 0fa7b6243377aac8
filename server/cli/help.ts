/**
 * `packkv help` and `--help`: what there is and how to call it.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { describeFlags } from "./flags.ts";

const SETTINGS_HELP = [
  "Settings come from the command line, else from the environment (PACKKV_K_REL for --k-rel), else",
  "from the configuration file (TOML: k-rel = 0.05, at its top or in a table of the command's",
  "name, which wins over the top), else from the defaults above.",
];

/** The list of commands. */
export function describeCommands(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "PackKV Serve: a self-hosted LLM server on WebGPU with a compressed KV cache",
    "",
    "usage: packkv COMMAND [flags]",
    "",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "packkv COMMAND --help describes a command.",
    "PACKKV_MODEL names the model to use where --model does not. `serve` and `run` take every",
    "setting from the environment (PACKKV_PORT for --port) and from a configuration file too.",
  ].join("\n");
}

/** All about one command. */
export function describeCommand(command: Command): string {
  const { name, summary, usage, flags, examples, notes = [], isConfigurable } = command;
  const flagLines = describeFlags(flags);
  return [
    `packkv ${name}: ${summary}`,
    "",
    `usage: packkv ${name} ${usage}`.trimEnd(),
    ...(flagLines === "" ? [] : ["", "flags:", flagLines]),
    "",
    "examples:",
    ...examples.map((example) => `  ${example}`),
    ...(notes.length === 0 ? [] : ["", ...notes]),
    ...(isConfigurable ? ["", ...SETTINGS_HELP] : []),
  ].join("\n");
}
