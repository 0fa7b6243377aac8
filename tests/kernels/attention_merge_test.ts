import { rowWords } from "../../src/core/row.ts";
import { partialsWords } from "../../src/kernels/text/attention.ts";
import { attentionDecodeRawReference } from "../../src/reference/attention_decode/raw.ts";
import { attentionMergeReference } from "../../src/reference/attention_merge.ts";
import { caseShape, makeAttentionCase, rowOf } from "../support/attention_case.ts";
import { runMerge } from "../support/attention_runs.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f32 sums of at most a few dozen terms. */
const NMSE_MAX = 1e-12;

for (const headSize of [32, 64, 96, 256]) {
  Deno.test(`AttentionMergeKernel matches its reference with heads of ${headSize}, with sinks and without`, async () => {
    const heads = { kvHeadCount: 2, groupSize: 3, headSize };
    const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 90 });
    const rows = rowWords(
      [[0, 0, 0], [3, 5900, 90], [1, 64, 0], [2, 191, 1]].map(([slot, position, blockCount]) =>
        rowOf({ slot, position, blockCount }, 0)
      ),
    );
    const partials = seededNormals(partialsWords(shape, shape, 4), 1);
    for (let i = 0; i < partials.length; i += headSize + 2) {
      partials[i] *= 100; // peaks far apart: most splits count for nothing
      partials[i + 1] = 1 + Math.abs(partials[i + 1]);
    }
    // Sinks above and below the peaks.
    for (const sinks of [null, Float32Array.of(-2e38, 0, 20, 60, 150, 400)]) {
      const inputs = { rows, partials, sinks };
      assertNear(await runMerge(shape, inputs), attentionMergeReference(shape, inputs), NMSE_MAX);
    }
  });
}

Deno.test("AttentionMergeKernel makes of splits what attention over all tokens gives", async () => {
  const heads = { kvHeadCount: 1, groupSize: 3, headSize: 64 };
  const fine = caseShape(heads, { blocksPerSplit: 1, blockCountMax: 8 });
  const coarse = { ...fine, blocksPerSplit: 8 };
  const attention = makeAttentionCase(fine, [640, 200], "raw");
  const merged = await Promise.all([fine, coarse].map((shape) => {
    const { q, rows, window, arena, directory } = attention;
    const sealed = attentionDecodeRawReference(shape, {
      q,
      rows,
      tiles: arena,
      directory,
    });
    const recent = attentionDecodeRawReference(shape, { q, rows, tiles: window });
    const partials = Float32Array.from(sealed, (value, i) => value + recent[i]);
    return runMerge(shape, { rows, partials });
  }));
  assertNear(merged[0], merged[1], NMSE_MAX);
});
