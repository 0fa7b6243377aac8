/** The disk tier under `kill -9`. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { fileURLToPath } from "node:url";
import { DiskTier } from "../../src/tiers/disk_tier.ts";
import { seededRandom } from "../support/numeric.ts";
import { COLD_FORMAT, makeBlock } from "../support/disk_blocks.ts";

const RESTART_COUNT = 50;
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const WRITER = fileURLToPath(new URL("./disk_writer.ts", import.meta.url));

/** Starts a writer, kills it some time after it has begun; what it said about the index. */
async function runAndKill(folder: string, seed: number, afterMs: number): Promise<string> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", CONFIG, WRITER, folder, String(seed)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  process.kill("SIGKILL");
  await reader.cancel();
  await process.status;
  return new TextDecoder().decode(value).trim();
}

Deno.test("50 restarts after kill -9 rebuild the index, and no corrupt block is ever read", async () => {
  const folder = await Deno.makeTempDir({ prefix: "packkv-kill-" });
  const random = seededRandom(5);
  try {
    let foundMax = 0;
    for (let seed = 0; seed < RESTART_COUNT; seed++) {
      const said = await runAndKill(folder, seed, random() * 120);
      assert(/^found \d+$/.test(said), `restart ${seed}: ${said}`);
      foundMax = Math.max(foundMax, Number(said.split(" ")[1]));
    }
    assertGreater(foundMax, 20);
    const tier = await DiskTier.open({ folder, format: COLD_FORMAT, capacityBytes: 2 ** 30 });
    for (const key of tier.keys) {
      const block = await tier.read(key);
      assertEquals(block, makeBlock(Number(`0x${key.slice(0, 32)}`)));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
