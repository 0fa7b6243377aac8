import { assertEquals } from "@std/assert";
import { BlockEventLog } from "../../src/scheduler/block_events.ts";
import { blockKey, ownKey } from "../../src/scheduler/block_key.ts";
import { blockNames, rootName } from "../../src/scheduler/block_name.ts";

const IDS = Array.from({ length: 200 }, (_, index) => index);
const NAMES = blockNames(rootName(["test"]), IDS, 3);
const [FIRST, SECOND] = NAMES.map((name) => blockKey(name, "sealed"));

function described(): BlockEventLog {
  const log = new BlockEventLog();
  log.describe(NAMES, IDS);
  return log;
}

Deno.test("BlockEventLog reports a block once per medium, with its tokens and the block before", () => {
  const log = described();
  const [gpu, disk] = [log.watcher("gpu"), log.watcher("disk")];
  gpu.added(FIRST);
  gpu.added(FIRST);
  disk.added(SECOND);
  disk.removed(SECOND);
  const [first, second] = NAMES;
  const tokenIds = IDS.slice(64, 128);
  assertEquals(log.drain(), [
    { type: "stored", medium: "gpu", name: first, parentName: null, tokenIds: IDS.slice(0, 64) },
    { type: "stored", medium: "disk", name: second, parentName: first, tokenIds },
    { type: "removed", medium: "disk", name: second },
  ]);
  assertEquals(log.drain(), []);
});

Deno.test("BlockEventLog is silent about raw tiles, blocks of one sequence and those not described", () => {
  const log = described();
  const gpu = log.watcher("gpu");
  const [unknown] = blockNames(rootName(["other"]), IDS, 1);
  const keys = [blockKey(NAMES[0], "raw"), ownKey(1, 2, "sealed"), blockKey(unknown, "sealed")];
  for (const key of keys) gpu.added(key);
  for (const key of [...keys, FIRST]) gpu.removed(key);
  assertEquals(log.drain(), []);
});

Deno.test("BlockEventLog forgets prompts that never reached the cache, and no block that is there", () => {
  const log = described();
  const gpu = log.watcher("gpu");
  gpu.added(FIRST);
  const many = Array.from({ length: 17_000 }, (_, index) => `${index}`.padStart(32, "0"));
  const zeros = new Array<number>(17_000 * 64).fill(0);
  log.describe(many, zeros);
  log.drain();
  gpu.added(SECOND); // forgotten
  assertEquals(log.drain(), []);
  gpu.removed(FIRST);
  assertEquals(log.drain(), [{ type: "removed", medium: "gpu", name: NAMES[0] }]);
});

Deno.test("BlockEventLog calls onFirst once for what is drained together", () => {
  const log = described();
  let count = 0;
  log.onFirst = () => count++;
  const gpu = log.watcher("gpu");
  gpu.added(FIRST);
  gpu.added(SECOND);
  log.drain();
  gpu.removed(SECOND);
  assertEquals(count, 2);
});
