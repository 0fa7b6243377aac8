/**
 * What a command of the command line is.
 *
 * @module
 */

import type { FlagSpecs, Settings } from "./flags.ts";

/** One command: how it is called and what it does. */
export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** What may follow the name, e.g. `[flags] PROMPT`. */
  usage: string;
  /** Flags it takes; `help` is added to each. */
  flags: FlagSpecs;
  /** Command lines as one would type them. */
  examples: readonly string[];
  /** More lines of `--help`. */
  notes?: readonly string[];
  /** Given the arguments as they are; reads flags itself. */
  isRaw?: boolean;
  /** Opens the GPU, so that a driver must be there. */
  needsGpu?: boolean;
  /** Takes settings from the environment and the configuration file too. */
  isConfigurable?: boolean;
  /**
   * Runs it.
   *
   * @param args Arguments after the command's name.
   * @param inherited Settings for flags that `args` do not give; none if it is not configurable.
   * @returns The process's exit code.
   * @throws {UsageError} If the arguments are wrong.
   */
  run(args: readonly string[], inherited: Settings): Promise<number>;
}
