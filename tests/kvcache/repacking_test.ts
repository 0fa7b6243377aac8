/** That the order of a block's tokens is invisible to the model, and where it would not be. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { RopeTables } from "../../src/model/rope_table.ts";
import { RowGroup } from "../../src/model/row_group.ts";
import { StepHarness } from "../support/step_harness.ts";
import { assertNear } from "../support/numeric.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** The same products are summed in another order: about 1e-7 of each sum, through two layers. */
const NMSE_MAX = 1e-9;
const PROMPT = tinyPrompt(448, 9);
const DECODED_COUNT = 40;

/** Logits of all prompt positions, then of `DECODED_COUNT` greedy tokens; and the ids. */
async function allLogits(model: LoadedModel, repack: "none" | "median" | "greedy") {
  const run = await createSequenceRun(model, {
    profile: { name: "paper", packSize: 8, repack },
    promptIds: PROMPT,
    maxTokens: DECODED_COUNT + 1,
  });
  try {
    const logits: Float32Array[] = [];
    const ids: number[] = [];
    while (logits.length < PROMPT.length) {
      logits.push(...await run.nextSlice({ wantsLogits: true }));
    }
    for (let i = 0; i < DECODED_COUNT; i++) {
      const token = await run.nextToken();
      ids.push(token.id);
      logits.push(token.logits.slice());
    }
    return { logits, ids, packed: run.cacheBytes().packed };
  } finally {
    run.destroy();
  }
}

Deno.test("repacking changes no position's logits, in prefill and in decode, for every rule", () =>
  withTinyModel({}, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      const expected = await allLogits(model, "none");
      for (const repack of ["median", "greedy"] as const) {
        const actual = await allLogits(model, repack);
        assert(actual.packed !== expected.packed, `${repack} packs other tokens together`);
        assertEquals(actual.ids, expected.ids);
        for (const [position, logits] of actual.logits.entries()) {
          assertNear(logits, expected.logits[position], NMSE_MAX);
        }
      }
    } finally {
      model.gpu.close();
    }
  }));

Deno.test("a row that would see only a part of a sealed block is refused", () =>
  withTinyModel({}, async (path) => {
    const profile = { name: "paper", repack: "greedy" } as const;
    const harness = await StepHarness.open(path, { profile, slotCount: 1, contextLength: 512 });
    try {
      const { gpu, plan } = harness.model;
      const rope = new RopeTables(plan, new Map());
      const group = new RowGroup(gpu, {
        label: "rows",
        plan,
        sights: [null, null],
        rowCount: 1,
        isSlice: false,
        rope,
      });
      const row = { slot: 0, listStart: 0, listCount: 2, firstWindowBlock: 2, idIndex: 0 };
      group.write([{ ...row, position: 128 }]);
      for (const position of [0, 64, 127]) {
        assertThrows(
          () => group.write([{ ...row, position }]),
          Error,
          "lies behind all that it reads",
        );
      }
      group.destroy();
    } finally {
      harness.close();
    }
  }));
