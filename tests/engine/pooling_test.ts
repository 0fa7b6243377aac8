/** Vectors of prompts against plain f64 loops. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import { Pool } from "../../src/engine/pooling.ts";
import type { Engine, Pooling } from "../../src/engine/types.ts";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { referenceStates } from "../support/reference_model.ts";
import { collectEvents, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Of a value, while vectors have a root mean square near 1; keys and values are f16. */
const ERROR_MAX = 0.01;
/** Two slices and a bit. */
const PROMPT = tinyPrompt(150, 3);

async function vectorOf(engine: Engine, promptIds: readonly number[], pooling: Pooling) {
  const events = await collectEvents(engine, { promptIds, maxTokens: 0, pooling });
  const vectors = events.flatMap((event) => event.type === "embedding" ? [event.values] : []);
  assertEquals([vectors.length, events.at(-1)!.type], [1, "finish"]);
  return vectors[0];
}

function assertNear(found: Float32Array, wanted: readonly number[]): void {
  assertEquals(found.length, wanted.length);
  const errors = wanted.map((value, index) => Math.abs(value - found[index]));
  assert(Math.max(...errors) < ERROR_MAX, `off by ${Math.max(...errors)}`);
}

// Norms after attention, windows and a scale of the embedding beside plain layers.
for (const architecture of ["llama", "gemma3"]) {
  Deno.test(`${architecture}: the mean and the last of a prompt's states are those of f64 loops, alone, at once and from the cache`, () =>
    withTinyModel({ architecture }, async (modelPath) => {
      const states = referenceStates(await readGguf(modelPath), PROMPT);
      const sums = states.reduce((sum, state) => sum.map((value, index) => value + state[index]));
      const mean = [...sums].map((value) => value / PROMPT.length);
      const last = [...states.at(-1)!];
      const engine = await createEngine({ modelPath, profile: { name: "exact" } });
      try {
        assertEquals([engine.info.embeddingWidth, engine.info.pooling], [64, null]);
        const vector = await vectorOf(engine, PROMPT, "mean");
        assertNear(vector, mean);
        assertNear(await vectorOf(engine, PROMPT, "last"), last);
        const poolings: Pooling[] = ["mean", "last", "mean"];
        const together = await Promise.all(
          poolings.map((pooling) => vectorOf(engine, PROMPT, pooling)),
        );
        assertEquals(together[0], vector);
        assertEquals(together[2], vector);
        assertNear(together[1], last);
        const wrong = { promptIds: PROMPT, maxTokens: 0, pooling: "cls" as Pooling };
        const error = await assertRejects(() => collectEvents(engine, wrong), EngineError);
        assertEquals([error.code, error.param], ["invalid_request", "pooling"]);
      } finally {
        await engine.close();
      }
    }));
}

Deno.test("a pool passes over rows that come again, as they do after a preemption", () => {
  const norm = { weights: Float32Array.of(1, 2), epsilon: 0 };
  const rows = [[3, 4], [4, 3], [1, 7]].map((row) => Float32Array.from(row));
  const pool = new Pool("mean", norm);
  pool.add(0, rows[0]);
  pool.add(0, Float32Array.from([...rows[0], ...rows[1]]));
  pool.add(1, rows[1]);
  pool.add(2, rows[2]);
  const normed = rows.map(([a, b]) => [a / Math.hypot(a, b), 2 * b / Math.hypot(a, b)]);
  const mean = [0, 1].map((channel) => {
    return Math.SQRT2 * normed.reduce((sum, row) => sum + row[channel], 0) / 3;
  });
  assertEquals(pool.position, 3);
  pool.values().forEach((value, channel) => assert(Math.abs(value - mean[channel]) < 1e-6));
});
