/** That a baseline's blocks are what the model reads, from the moment they are sealed. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { findBaseline } from "../../../src/evaluation/baselines/table.ts";
import { baselineRewriter } from "../../../src/evaluation/baselines/baseline.ts";
import { KEY, VALUE } from "../../../src/codec/record.ts";
import { rawTileFrom, rawTileValues } from "../../../src/codec/raw_tile.ts";
import { type LoadedModel, loadModel } from "../../../src/runtime/load_model.ts";
import { createSequenceRun, type TileRewriter } from "../../../src/runtime/sequence_run.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { seededNormals } from "../../support/numeric.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const PROMPT = tinyPrompt(320, 3);
const DECODED_COUNT = 2;

async function allLogits(model: LoadedModel, rewriteTile?: TileRewriter): Promise<Float32Array[]> {
  const run = await createSequenceRun(model, {
    profile: { name: "exact" },
    promptIds: PROMPT,
    maxTokens: DECODED_COUNT + 1,
    ...(rewriteTile ? { rewriteTile } : {}),
  });
  try {
    const logits: Float32Array[] = [];
    while (logits.length < PROMPT.length) {
      logits.push(...await run.nextSlice({ wantsLogits: true }));
    }
    for (let i = 0; i < DECODED_COUNT; i++) logits.push((await run.nextToken()).logits.slice());
    return logits;
  } finally {
    run.destroy();
  }
}

async function withModel(body: (model: LoadedModel) => Promise<void>): Promise<void> {
  await withTinyModel({}, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      await body(model);
    } finally {
      model.gpu.close();
    }
  });
}

Deno.test("a rewritten block is read by the rows after its sealing and by no row before", () =>
  withModel(async (model) => {
    const seen: string[] = [];
    const plain = await allLogits(model);
    const same = await allLogits(model, (_, { layer, blockIndex }) => {
      seen.push(`${blockIndex}.${layer}`);
    });
    // 320 tokens and a decoded one: the blocks of tokens 0 to 63, 64 to 127 and 128 to 191.
    assertEquals(seen, ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]);
    same.forEach((logits, position) => assertSameBits(logits, plain[position]));
    const emptied = await allLogits(model, (tile, { blockIndex }) => {
      if (blockIndex === 1) tile.fill(0);
    });
    // Block 1 leaves the window with token 255, at the end of a slice: row 256 is the first to see.
    for (let position = 0; position < plain.length; position++) {
      const isSame = emptied[position].every((logit, id) => logit === plain[position][id]);
      assertEquals(isSame, position < 256, `position ${position}`);
    }
  }));

Deno.test("createSequenceRun() refuses to rewrite blocks of a packing profile", () =>
  withModel(async (model) => {
    const options = { profile: { name: "paper" }, promptIds: PROMPT } as const;
    const rewriteTile: TileRewriter = () => {};
    await assertRejects(
      () => createSequenceRun(model, { ...options, rewriteTile }),
      Error,
      "only exact blocks",
    );
  }));

const noRope = (): never => {
  throw new Error("it is not asked for");
};

Deno.test("baselineRewriter() replaces K and V of all tokens but the sinks of the first block", () => {
  const shape = { kvHeadCount: 2, headSize: 32 };
  const baseline = findBaseline("int3+sinks", shape);
  assert(baseline !== null);
  const rewrite = baselineRewriter(baseline, shape, { ropeOf: noRope });
  const tile = rawTileFrom(shape, seededNormals(64 * 64, 1), seededNormals(64 * 64, 2));
  for (const blockIndex of [0, 1]) {
    const rewritten = tile.slice();
    rewrite(rewritten, { layer: 0, blockIndex });
    for (const side of [KEY, VALUE]) {
      const [before, after] = [tile, rewritten].map((words) => rawTileValues(shape, words, side));
      const changed = Array.from(
        { length: 64 },
        (_, token) =>
          before.subarray(token * 64, token * 64 + 64).some((value, i) =>
            value !== after[token * 64 + i]
          ),
      );
      assertEquals(changed.indexOf(true), blockIndex === 0 ? 4 : 0);
      assertEquals(changed.lastIndexOf(false), blockIndex === 0 ? 3 : -1);
      const worst = Math.max(...before.map((value, i) => Math.abs(value - after[i])));
      assert(worst < 0.6, `values moved by up to ${worst}`);
    }
  }
});
