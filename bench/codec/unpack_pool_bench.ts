/**
 * Block files read by the thread of a tier, and by two beside it.
 *
 *     deno bench -A --no-check bench/codec/unpack_pool_bench.ts
 *
 * @module
 */

import { packBlockFile } from "../../src/tiers/block_file.ts";
import type { BlockFormat, StoredBlock } from "../../src/tiers/block_format.ts";
import { UnpackPool } from "../../src/tiers/unpack_pool.ts";
import { COLD_FORMAT, makeBlock } from "../../tests/support/disk_blocks.ts";

/** Layers of a block, as many as those of the default model; one head of 32 channels each. */
const LAYER_COUNT = 30;
const FILE_COUNT = 100;

const layers = Array.from({ length: LAYER_COUNT }, (_, layer) => layer);
const format: BlockFormat = { ...COLD_FORMAT, cold: { layers, tables: null } };
const pairs = Array.from({ length: LAYER_COUNT / 2 }, (_, seed) => makeBlock(seed));
const block: StoredBlock = {
  key: pairs[0].key,
  recordWords: pairs.flatMap(({ recordWords }) => [...recordWords]),
  words: new Uint32Array(pairs.flatMap(({ words }) => [...words])),
};
const file = packBlockFile(format, block);

for (const workerCount of [0, 1, 2]) {
  const pool = new UnpackPool(format, workerCount);
  const readAll = () =>
    Promise.all(Array.from({ length: FILE_COUNT }, () => pool.unpack(block.key, file)));
  await readAll(); // workers start
  const name = `${FILE_COUNT} files of ${file.length} bytes, ${workerCount} workers`;
  Deno.bench(name, { baseline: workerCount === 0 }, async () => {
    await readAll();
  });
}
