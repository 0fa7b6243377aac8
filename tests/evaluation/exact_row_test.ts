import { logSumExp } from "../../src/core/log_sum_exp.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Divergence } from "../../src/evaluation/divergence.ts";
import { exactRow, ExactRowFile } from "../../src/evaluation/exact_row.ts";
import { seededNormals } from "../support/numeric.ts";

const VOCAB_SIZE = 3000;

/** KL by its definition, in f64. */
function plainKl(exact: Float32Array, other: Float32Array): number {
  const [exactSum, otherSum] = [exact, other].map((logits) => logSumExp(logits).logSum);
  return exact.reduce((sum, logit, id) => {
    const logProb = logit - exactSum;
    return sum + Math.exp(logProb) * (logProb - (other[id] - otherSum));
  }, 0);
}

Deno.test("logSumExp() does not overflow, and takes the lowest of equal maxima", () => {
  const { logSum, topId } = logSumExp(Float32Array.of(1000, 0, 1000));
  assertAlmostEquals(logSum, 1000 + Math.log(2), 1e-9);
  assertEquals(topId, 0);
});

for (const spread of [1e-4, 1e-2, 1]) {
  Deno.test(`a divergence from a row of 16 bits is that from all bits within 1e-6 and 0.1% (logits ${spread} apart)`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const exact = seededNormals(VOCAB_SIZE, seed, 3);
      const noise = seededNormals(VOCAB_SIZE, seed + 100, spread);
      const other = exact.map((logit, id) => logit + noise[id]);
      const divergence = new Divergence();
      divergence.add(exactRow(exact, 7), other, 7);
      const expected = plainKl(exact, other);
      const { klMean } = divergence.summary();
      assert(
        Math.abs(klMean - expected) < 1e-6 + 1e-3 * expected,
        `seed ${seed}: ${klMean}, expected ${expected}`,
      );
    }
  });
}

Deno.test("exactRow() keeps the top token even where others are within a step of it", () => {
  const row = exactRow(Float32Array.of(1, 1.00001, 1), 2);
  assertEquals(row.topId, 1);
  assertEquals([...row.steps], [0, 0, 0]);
  assertAlmostEquals(row.targetLogProb, -Math.log(3), 1e-4);
});

Deno.test("exactRow() holds tokens that cannot come at all", () => {
  const row = exactRow(Float32Array.of(0, -1e30, -40), 0);
  assertEquals([...row.steps], [0, 65535, 65535]);
});

Deno.test("ExactRowFile gives back its rows in any order, and refuses one it does not have", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/rows`;
  const rows = [1, 2, 3].map((seed) => exactRow(seededNormals(VOCAB_SIZE, seed, 5), seed));
  const file = new ExactRowFile(path, { vocabSize: VOCAB_SIZE, isNew: true });
  rows.forEach((row, index) => file.write(index, row));
  file.close();
  const again = new ExactRowFile(path, { vocabSize: VOCAB_SIZE, isNew: false });
  for (const index of [2, 0, 1]) assertEquals(again.read(index), rows[index]);
  assertThrows(() => again.read(3), RangeError, "exact row 3");
  again.close();
  assertEquals((await Deno.stat(path)).size, 3 * ExactRowFile.rowSizeBytes(VOCAB_SIZE));
  await Deno.remove(folder, { recursive: true });
});
