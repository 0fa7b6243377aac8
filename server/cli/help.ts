/**
 * `packkv help` and `--help`: what there is and how to call it.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { describeFlags } from "./flags.ts";

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
    "packkv COMMAND --help tells more of a command.",
    "PACKKV_MODEL names the model to use where --model does not.",
  ].join("\n");
}

/** All about one command. */
export function describeCommand(command: Command): string {
  const { name, summary, usage, flags, examples, notes = [] } = command;
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
  ].join("\n");
}
