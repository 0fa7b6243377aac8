/** Memory over many requests. */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const PROCESS = fileURLToPath(new URL("./steady_memory_process.ts", import.meta.url));
/** Of fixed size, or what V8 gives its youngest objects comes and goes by more than the limit. */
const HEAP_FLAGS = "--v8-flags=--min-semi-space-size=2,--max-semi-space-size=2";
/** Of the process's bytes, from the first quarter of the run to the last. */
const GROWTH_MAX = 0.02;

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

Deno.test("1,000 requests leave device memory as it was, and the process's within 2%", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", HEAP_FLAGS, "--config", CONFIG, PROCESS],
    stderr: "inherit",
  }).output();
  assertEquals(code, 0);
  const { rssBytes, deviceBytes } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(deviceBytes[0], deviceBytes[1]);
  const quarter = rssBytes.length >> 2;
  assert(quarter >= 5);
  const growth = median(rssBytes.slice(-quarter)) / median(rssBytes.slice(0, quarter)) - 1;
  assert(growth < GROWTH_MAX, `the process grew by ${(100 * growth).toFixed(1)}%`);
});
