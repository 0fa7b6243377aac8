/** What kernels take of an adapter, for models and contexts up to a million tokens. No device. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { WINDOW_TILE_COUNT } from "../../src/core/shapes.ts";
import { EngineError } from "../../src/core/errors.ts";
import type { AdapterFacts, Gpu } from "../../src/gpu/gpu.ts";
import { BlockAttentionKernel } from "../../src/kernels/block_scores/attention.ts";
import { BlockShareKernel } from "../../src/kernels/block_select/share.ts";
import { KvPackPaperKernel } from "../../src/kernels/kv_pack/paper.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import { workgroupMemoryBytes } from "../../src/gpu/workgroup_memory.ts";
import { partialsWords } from "../../src/kernels/text/attention.ts";
import { splitShape } from "../../src/model/attention_splits.ts";
import { ADAPTERS } from "../support/adapters.ts";
import {
  attentionTexts,
  blockCountOf,
  hasRoomToPackPaper,
  kernelTexts,
  TEXT_MODELS,
} from "../support/kernel_texts.ts";

const CONTEXTS = [8192, 131_072, 524_288, 1_048_576];

/** Rows of a slice. */
const ROW_COUNT = 64;

for (const [adapter, facts] of Object.entries(ADAPTERS)) {
  for (const [name, model] of Object.entries(TEXT_MODELS)) {
    Deno.test(`attention of ${name} on ${adapter} fits workgroup memory at contexts up to 1M`, async () => {
      // Those of the shortest are among all kernels, below.
      for (const contextTokens of CONTEXTS.slice(1)) {
        for (const { label, code } of await attentionTexts({ model, facts, contextTokens })) {
          const bytes = workgroupMemoryBytes(code);
          const what = `${label} at ${contextTokens} takes ${bytes} bytes`;
          assert(bytes <= facts.workgroupMemoryBytesMax, what);
        }
      }
    });
  }
}

for (const [adapter, facts] of Object.entries(ADAPTERS)) {
  Deno.test(`all kernels on ${adapter} fit its workgroup memory`, async () => {
    for (const model of Object.values(TEXT_MODELS)) {
      const texts = await kernelTexts({ model, facts, contextTokens: CONTEXTS[0] });
      assert(texts.length > 60, `${texts.length} texts`);
      for (const { label, code, constants } of texts) {
        const bytes = workgroupMemoryBytes(code, constants);
        assert(bytes <= facts.workgroupMemoryBytesMax, `${label} takes ${bytes} bytes`);
      }
    }
  });

  Deno.test(`partial results and a split's tiles on ${adapter} fit a binding at contexts up to 1M`, () => {
    const { bindingSizeMax } = facts;
    for (const [name, shape] of Object.entries(TEXT_MODELS)) {
      // Without groups of heads a million raw tokens take 512 GiB: such models end earlier.
      const isGrouped = shape.kvHeadCount < shape.queryHeadCount;
      for (const contextTokens of CONTEXTS.filter((tokens) => isGrouped || tokens <= 524_288)) {
        const blockCountMax = blockCountOf({ contextTokens });
        const splits = splitShape(blockCountMax, { shape, rowCount: ROW_COUNT, bindingSizeMax });
        const partialBytes = partialsWords(shape, splits, ROW_COUNT) * 4;
        const tileBytes = splits.blocksPerSplit * rawTileWords(shape) * 4;
        const what = `${name} at ${contextTokens}: ${partialBytes} and ${tileBytes} bytes`;
        assert(partialBytes <= bindingSizeMax && tileBytes <= bindingSizeMax, what);
      }
    }
  });
}

Deno.test("splits of contexts up to 32,768 tokens are as short as ever: their results keep their bits", () => {
  const bindingSizeMax = ADAPTERS["the least that WebGPU allows"].bindingSizeMax;
  for (const shape of Object.values(TEXT_MODELS).filter((each) => each.queryHeadCount <= 32)) {
    const splits = splitShape(510, { shape, rowCount: ROW_COUNT, bindingSizeMax });
    const sealed = Math.min(128, splits.splitCountMax - WINDOW_TILE_COUNT);
    assertEquals(splits.blocksPerSplit, Math.max(4, Math.ceil(510 / sealed)));
  }
});

Deno.test("contexts of 512 and of 1,024 tokens have the same splits, and none more than a binding holds", () => {
  const shape = TEXT_MODELS["135M"];
  const splitBytes = partialsWords(shape, { blocksPerSplit: 4, splitCountMax: 1 }, ROW_COUNT) * 4;
  const splitsOf = (contextTokens: number, bindingSizeMax: number) =>
    splitShape(blockCountOf({ contextTokens }), { shape, rowCount: ROW_COUNT, bindingSizeMax });
  const short = { blocksPerSplit: 4, splitCountMax: 8 };
  assertEquals([512, 1024].map((count) => splitsOf(count, 2 ** 27)), [short, short]);
  assertEquals(splitsOf(2048, 2 ** 27).splitCountMax, 16);
  assertEquals(splitsOf(512, 6 * splitBytes + 4).splitCountMax, 6);
});

Deno.test("splitShape() refuses rows of which not one split fits a binding, saying how large it is", () => {
  const shape = TEXT_MODELS["70B"];
  const options = { shape, rowCount: 5000, bindingSizeMax: 128 * 2 ** 20 };
  assertThrows(() => splitShape(16, options), RangeError, "a split takes 166400000 bytes");
});

Deno.test("packing paper's records of heads of 512 is refused where workgroup memory is 16 KiB, saying what it takes", async () => {
  const facts = ADAPTERS["the least that WebGPU allows"];
  const model = TEXT_MODELS["heads of 512"];
  assert(!hasRoomToPackPaper({ model, facts }));
  const layout = new PaperLayout({ ...model, packSize: 8, keyBits: 4, valueBits: 3 });
  const create = () => KvPackPaperKernel.create({ facts } as Gpu, { layout, storeCount: 1 });
  await assertRejects(create, EngineError, "Cannot pack heads of 512 channels");
});

Deno.test("scoring blocks by their attention is refused where a software driver makes too few turns, saying for how many it does", async () => {
  const shape = TEXT_MODELS["135M"];
  const create = (facts: AdapterFacts) =>
    BlockAttentionKernel.create(
      { facts, createPipeline: () => Promise.resolve({}) } as unknown as Gpu,
      { shape, listCountMax: 1392 },
    );
  const refused = "at most 1391, a context of 89024 tokens";
  await assertRejects(() => create(ADAPTERS["software Vulkan"]), EngineError, refused);
  await create(ADAPTERS["NVIDIA on Vulkan"]);
});

Deno.test("choosing by share refuses a list that a software driver would cut off", async () => {
  const create = (facts: AdapterFacts, listCountMax: number) =>
    BlockShareKernel.create(
      { facts, createPipeline: () => Promise.resolve({}) } as unknown as Gpu,
      { kvHeadCount: 2, queryHeadCount: 4, listCountMax },
    );
  const refused = "at most 6279, a context of 401856 tokens";
  await assertRejects(() => create(ADAPTERS["software Vulkan"], 6280), EngineError, refused);
  await create(ADAPTERS["software Vulkan"], 6279);
  await create(ADAPTERS["NVIDIA on Vulkan"], 16_384);
});

Deno.test("attention refuses an adapter whose workgroup memory holds no block, saying what it takes", async () => {
  const facts = { ...ADAPTERS["DX12"], workgroupMemoryBytesMax: 4096 };
  const options = { model: TEXT_MODELS["8B"], facts, contextTokens: 8192 };
  await assertRejects(() => attentionTexts(options), RangeError, "the adapter has 4096");
});
