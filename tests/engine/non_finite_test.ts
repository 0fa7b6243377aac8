import { assert, assertEquals, assertRejects } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { collectIds, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Overwrites one value of an F32 tensor. */
async function poison(
  path: string,
  name: string,
  { index, value }: { index: number; value: number },
): Promise<void> {
  const tensor = (await readGguf(path)).tensors.get(name);
  assert(tensor?.type === "F32");
  using file = await Deno.open(path, { write: true });
  await file.seek(tensor.offsetBytes + 4 * index, Deno.SeekMode.Start);
  await file.write(new Uint8Array(Float32Array.of(value).buffer));
}

Deno.test("a block with NaN ends its sequence with non_finite_values, and the engine lives on", () =>
  withTinyModel({ type: "F32" }, async (path) => {
    await poison(path, "blk.1.attn_v.weight", { index: 0, value: NaN });
    const engine = await createEngine({ modelPath: path, profile: { name: "paper" } });
    try {
      const long = { promptIds: tinyPrompt(300, 1), maxTokens: 5 };
      const error = await assertRejects(() => collectIds(engine, long), EngineError, "not finite");
      assertEquals(error.code, "non_finite_values");
      // Shorter than what is packed, so nothing is refused.
      const short = { promptIds: tinyPrompt(10, 2), maxTokens: 3, ignoreEos: true };
      assertEquals((await collectIds(engine, short)).length, 3);
      assertEquals((await engine.stats()).cacheBytes.allocated, 0);
    } finally {
      await engine.close();
    }
  }));

/** A token whose embedding alone is poisoned. */
const BAD_ID = 77;
const WIDTH = 64;

for (const profile of [{ name: "paper" }, { name: "int8" }, { name: "exact" }] as const) {
  Deno.test(`NaN of one sequence reaches no other, beside it or after it in its slot (${profile.name})`, () =>
    withTinyModel({ tiedOutput: false }, async (path) => {
      const good = (seed: number) => {
        const promptIds = tinyPrompt(230, seed).map((id) => id === BAD_ID ? BAD_ID + 1 : id);
        return { promptIds, maxTokens: 40, ignoreEos: true };
      };
      const bad = { ...good(9), promptIds: good(9).promptIds.with(20, BAD_ID) };
      const texts: number[][] = [];
      const options = { modelPath: path, profile, sequenceCountMax: 2 };
      const clean = await createEngine(options);
      for (const seed of [1, 2, 3, 4]) texts.push(await collectIds(clean, good(seed)));
      await clean.close();
      await poison(path, "token_embd.weight", { index: BAD_ID * WIDTH + 5, value: NaN });
      const engine = await createEngine(options);
      try {
        const failing = collectIds(engine, bad).then((ids) => ids.length, ({ code }) => code);
        const beside = [1, 2, 3, 4].map((seed) => collectIds(engine, good(seed)));
        assertEquals(await Promise.all(beside), texts);
        assertEquals(await failing, profile.name === "exact" ? 40 : "non_finite_values");
      } finally {
        await engine.close();
      }
    }));
}
