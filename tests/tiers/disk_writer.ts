/** A process that writes blocks to a disk tier until it is killed: `disk_writer.ts FOLDER SEED`. */

import { packBlockFile } from "../../src/tiers/block_file.ts";
import { DiskTier } from "../../src/tiers/disk_tier.ts";
import { COLD_FORMAT, keyOf, makeBlock } from "../support/disk_blocks.ts";

const [folder, seed] = Deno.args;
const tier = await DiskTier.open({ folder, format: COLD_FORMAT, capacityBytes: 200_000 });
// What is there must be whole: the index was rebuilt from what a kill left.
for (const key of tier.keys.slice(0, 8)) {
  const block = await tier.read(key);
  const isSame = block !== null &&
    block.words.join() === makeBlock(Number(`0x${key.slice(0, 32)}`)).words.join();
  if (!isSame) {
    console.log(`corrupt ${key}`);
    Deno.exit(1);
  }
}
// From now on it may be killed: what is slow the first time is done.
packBlockFile(COLD_FORMAT, makeBlock(0));
console.log(`found ${tier.keys.length}`);
for (let index = 0;; index++) {
  await tier.write(makeBlock(Number(seed) * 1000 + index));
  if (!tier.has(keyOf(Number(seed) * 1000 + index, "sealed"))) Deno.exit(2);
}
