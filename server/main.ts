/**
 * The program behind `./packkv`: runs a command and turns what it throws into one line and an exit
 * code (1: it failed, 2: the command line is wrong, 141: stdout is closed).
 *
 * @module
 */

import { EngineError } from "../mod.ts";
import { runCommandLine } from "./cli/commands.ts";
import { STDOUT_CLOSED_EXIT_CODE, StdoutClosed } from "./cli/stdout.ts";
import { UsageError } from "./cli/usage_error.ts";
import { SetupError } from "./setup/setup_error.ts";

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return 2;
  // The engine refuses options that are out of range for this model.
  if (error instanceof RangeError && error.message.startsWith("Cannot ")) return 2;
  if (error instanceof EngineError || error instanceof SetupError) return 1;
  throw error; // a defect: its stack is wanted
}

try {
  Deno.exit(await runCommandLine(Deno.args));
} catch (error) {
  if (error instanceof StdoutClosed) Deno.exit(STDOUT_CLOSED_EXIT_CODE);
  const code = exitCodeOf(error);
  console.error(`packkv: ${(error as Error).message}`);
  Deno.exit(code);
}
