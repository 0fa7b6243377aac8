import { rowWords } from "../../src/core/row.ts";
import { BlockShareKernel, setWords } from "../../src/kernels/block_select/share.ts";
import { BlockSelectKernel } from "../../src/kernels/block_select/top.ts";
import { rowOf } from "../../tests/support/attention_case.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

/** A context of 32,768 tokens of a model with 8 KV heads. */
const BLOCK_COUNT = 510;
const KV_HEAD_COUNT = 8;

const context = await openBenchGpu();
const { gpu } = context;
const row = rowOf({ slot: 0, position: 64 * BLOCK_COUNT, blockCount: BLOCK_COUNT }, BLOCK_COUNT);
const kernel = await BlockSelectKernel.create(gpu, {
  kvHeadCount: KV_HEAD_COUNT,
  listCountMax: BLOCK_COUNT,
});
const scoreCount = KV_HEAD_COUNT * BLOCK_COUNT;
const directory = new Uint32Array(BLOCK_COUNT * 2).fill(64);
for (const chosenCount of [32, 256]) {
  const chosen = { ...row, listStride: BLOCK_COUNT, listCount: chosenCount };
  const bound = kernel.bind({
    rows: gpu.createBufferWith("rows", rowWords([row])),
    chosen: gpu.createBufferWith("chosen", rowWords([chosen])),
    directory: gpu.createBufferWith("directory", directory),
    scores: gpu.createBufferWith("scores", seededNormals(scoreCount, 1)),
    lists: gpu.createBuffer("lists", scoreCount * 8),
  });
  const options = {
    group: `block_select, ${BLOCK_COUNT} blocks`,
    baseline: chosenCount === 32,
    work: { bytes: scoreCount * 4, macs: 0 },
  };
  benchKernel(`${chosenCount} of them`, options, context, (pass) => {
    kernel.encode(pass, bound, 1);
  });
}

/** Contexts of 32,768 and 122,880 tokens. */
for (const blockCount of [BLOCK_COUNT, 1920]) {
  const share = await BlockShareKernel.create(gpu, {
    kvHeadCount: KV_HEAD_COUNT,
    queryHeadCount: KV_HEAD_COUNT,
    listCountMax: blockCount,
  });
  const count = KV_HEAD_COUNT * blockCount;
  // Attention as unequal as that of most queries.
  const scores = seededNormals(count, 2, 3).map((value) => Math.exp(value) / blockCount / 100);
  const all = rowOf({ slot: 0, position: 64 * blockCount, blockCount }, blockCount);
  const bound = share.bind({
    rows: gpu.createBufferWith("rows", rowWords([all])),
    chosen: gpu.createBufferWith("chosen", rowWords([{ ...all, listStride: blockCount }])),
    directory: gpu.createBufferWith("directory", new Uint32Array(blockCount * 2).fill(64)),
    scores: gpu.createBufferWith("scores", scores),
    limits: gpu.createBufferWith("limits", Float32Array.of(0.98)),
    lists: gpu.createBuffer("lists", count * 8),
    sets: gpu.createBuffer("sets", KV_HEAD_COUNT * setWords(blockCount) * 4),
  });
  const options = {
    group: `block_select share, ${blockCount} blocks`,
    baseline: true,
    work: { bytes: count * 4, macs: 0 },
  };
  benchKernel("98% of attention", options, context, (pass) => share.encode(pass, bound, 1));
}
