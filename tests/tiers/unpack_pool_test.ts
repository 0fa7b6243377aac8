/** Block files read by several threads. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { packBlockFile } from "../../src/tiers/block_file.ts";
import { DiskTier } from "../../src/tiers/disk_tier.ts";
import { UnpackPool, unpackWorkerCount } from "../../src/tiers/unpack_pool.ts";
import { COLD_FORMAT, makeBlock } from "../support/disk_blocks.ts";

const BLOCKS = Array.from({ length: 12 }, (_, seed) => makeBlock(seed));
const FILES = BLOCKS.map((block) => packBlockFile(COLD_FORMAT, block));

const unpackAll = (pool: UnpackPool) =>
  Promise.all(BLOCKS.map(({ key }, index) => pool.unpack(key, FILES[index])));

Deno.test("UnpackPool gives the same blocks in no, one and several workers, and starts what it needs", async () => {
  for (const workerCountMax of [0, 1, 3]) {
    const pool = new UnpackPool(COLD_FORMAT, workerCountMax);
    const { key } = BLOCKS[0];
    assertEquals(await pool.unpack(key, FILES[0]), BLOCKS[0]);
    assertEquals(await pool.unpack(key, FILES[0]), BLOCKS[0]);
    assertEquals(pool.workerCount, Math.min(1, workerCountMax), "one after the other need one");
    assertEquals(await unpackAll(pool), BLOCKS);
    assertEquals(pool.workerCount, workerCountMax);
    pool.close();
  }
});

Deno.test("a worker of UnpackPool refuses a damaged file with what is wrong, and reads on", async () => {
  const pool = new UnpackPool(COLD_FORMAT, 1);
  const { key } = BLOCKS[0];
  const damaged = FILES[0].slice();
  damaged[200] ^= 1;
  await assertRejects(() => pool.unpack(key, damaged), RangeError, "its checksum does not match");
  await assertRejects(() => pool.unpack(BLOCKS[1].key, FILES[0]), RangeError, "another block");
  assertEquals(await pool.unpack(key, FILES[0]), BLOCKS[0]);
  pool.close();
});

Deno.test("blocks that workers have not read when they end are read by the thread that asked", async () => {
  const pool = new UnpackPool(COLD_FORMAT, 2);
  const reading = unpackAll(pool);
  assertEquals(pool.workerCount, 2);
  pool.close();
  assertEquals(await reading, BLOCKS);
  assertEquals(pool.workerCount, 0);
  assertEquals(await unpackAll(pool), BLOCKS);
});

Deno.test("DiskTier reads files in several threads, and drops what is damaged", async () => {
  const folder = await Deno.makeTempDir({ prefix: "packkv-unpack-" });
  const { error } = console;
  const messages: string[] = [];
  console.error = (message: string) => messages.push(message);
  const options = { folder, format: COLD_FORMAT, capacityBytes: 2 ** 30, unpackWorkerCount: 2 };
  const tier = await DiskTier.open(options);
  try {
    for (const block of BLOCKS) await tier.write(block);
    const path = `${folder}/${COLD_FORMAT.root}/${BLOCKS[3].key}`;
    const bytes = await Deno.readFile(path);
    bytes[150] ^= 4;
    await Deno.writeFile(path, bytes);
    const read = await Promise.all(BLOCKS.map(({ key }) => tier.read(key)));
    assertEquals(read, BLOCKS.map((block, index) => index === 3 ? null : block));
    assert(messages.length === 1 && messages[0].includes("dropping a block"), messages.join());
    assert(!tier.has(BLOCKS[3].key));
  } finally {
    tier.close();
    console.error = error;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("serving keeps two cores for itself, and eight threads read at most", () => {
  assertEquals([1, 2, 3, 8, 64].map(unpackWorkerCount), [0, 0, 1, 6, 8]);
});
