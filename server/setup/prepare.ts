/**
 * Runs before the program, without a package: fetches those that are missing, and prints where Deno
 * finds them, the value of its `--node-modules-dir`.
 *
 *     deno run -A --no-config --no-lock server/setup/prepare.ts
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { DENO_VERSION_MIN, isUsableDeno } from "./deno_version.ts";
import { ensurePackages } from "./packages.ts";
import { SetupError } from "./setup_error.ts";

function checkDeno(): void {
  const { deno } = Deno.version;
  if (isUsableDeno(deno)) return;
  throw new SetupError(
    `Cannot run on Deno ${deno}: ${DENO_VERSION_MIN} or newer is needed; deno upgrade`,
  );
}

try {
  checkDeno();
  console.log(await ensurePackages(fileURLToPath(new URL("../..", import.meta.url))));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`packkv: ${error.message}`);
  Deno.exit(1);
}
