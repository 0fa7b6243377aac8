/** That a baseline which learns reads its text before the first block, and no more than once. */

import { assert, assertEquals } from "@std/assert";
import { findBaseline } from "../../../src/evaluation/baselines/table.ts";
import { evaluate } from "../../../src/evaluation/eval.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { loadModel } from "../../../src/runtime/load_model.ts";
import { resolveCodecs } from "../../../server/cli/eval_codecs.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };

Deno.test("evaluate() has oscar read the calibration text twice, once for all windows, and counts its rotations", () =>
  withTinyModel({ layerCount: 1, contextLength: 320 }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      const codecs = resolveCodecs([{ name: "oscar", profile: null }], SHAPE, [0, 128]);
      const { learning } = findBaseline("oscar", SHAPE)!.codec;
      assert(learning?.isDone === false);
      const shares: number[] = [];
      const [none, usual] = await evaluate(model, {
        texts: [{ name: "a.txt", ids: tinyPrompt(321, 1) }],
        codecs,
        contexts: [320],
        from: 256,
      }, {
        onProgress: (message, share) => message.includes("learning") && shares.push(share),
      });
      assertEquals([none.codec, usual.codec], ["oscar, window 0", "oscar"]);
      for (const report of [none, usual]) {
        assert(report.kl_mean > 1e-4 && report.kl_mean < 1, `${report.codec}: ${report.kl_mean}`);
        assertEquals(report.bits, { k: 3, v: 3 });
        // K and V of 2 heads, f16.
        assertEquals(report.all_in[0].tables, 2 * 2 * 32 * 32 * 2);
      }
      assert(none.kl_mean > usual.kl_mean, "more is read packed");
      // 320 tokens are 5 slices.
      assertEquals(shares, Array.from({ length: 2 * 5 }, (_, slice) => slice / 10));
    } finally {
      model.gpu.close();
    }
  }));
