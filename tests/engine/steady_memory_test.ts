/** Memory over many requests. */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const PROCESS = fileURLToPath(new URL("./steady_memory_process.ts", import.meta.url));
/** Of fixed size, or what V8 gives its youngest objects comes and goes by more than the limit. */
const HEAP_FLAGS = "--v8-flags=--min-semi-space-size=2,--max-semi-space-size=2";
/** Of the process's bytes over the last thousand requests. */
const GROWTH_MAX = 0.02;

Deno.test("1,000 requests leave device memory as it was, and the process's within 2%", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", HEAP_FLAGS, "--config", CONFIG, PROCESS],
    stderr: "inherit",
  }).output();
  assertEquals(code, 0);
  const { growths, deviceBytes } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(deviceBytes[0], deviceBytes[1]);
  const shown = growths.map((growth: number) => `${(100 * growth).toFixed(1)}%`).join(", ");
  assert(growths.at(-1) < GROWTH_MAX, `the process grew by ${shown} over a thousand each`);
});
