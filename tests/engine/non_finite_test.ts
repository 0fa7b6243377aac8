import { assert, assertEquals, assertRejects } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { collectIds, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Writes NaN over the first value of an F32 tensor. */
async function poison(path: string, name: string): Promise<void> {
  const tensor = (await readGguf(path)).tensors.get(name);
  assert(tensor?.type === "F32");
  using file = await Deno.open(path, { write: true });
  await file.seek(tensor.offsetBytes, Deno.SeekMode.Start);
  await file.write(new Uint8Array(Float32Array.of(NaN).buffer));
}

Deno.test("a block with NaN ends its sequence with non_finite_values, and the engine lives on", () =>
  withTinyModel({ type: "F32" }, async (path) => {
    await poison(path, "blk.1.attn_v.weight");
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
