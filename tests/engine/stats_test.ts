import { assert, assertEquals, assertGreater } from "@std/assert";
import { createEngine } from "../../mod.ts";
import { collectIds, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

Deno.test("stats() tells blocks packed and copied, and a device time of sealing below the time passed", () =>
  withTinyModel({ contextLength: 1024 }, async (modelPath) => {
    const profile = { name: "paper" as const };
    const engine = await createEngine({ modelPath, profile, hostSizeBytes: 2 ** 24 });
    try {
      const startMs = performance.now();
      const promptIds = tinyPrompt(600, 1);
      await collectIds(engine, { promptIds, maxTokens: 40, ignoreEos: true });
      const stats = await engine.stats();
      const passedSeconds = (performance.now() - startMs) / 1000;
      // Blocks end at multiples of 64 that 128 tokens and more stand behind.
      assertEquals(stats.sealedBlockCount, 7);
      assertGreater(stats.savedBlockCount, 0);
      assertEquals(stats.loadedBlockCount, 0);
      const { sealingSeconds } = stats;
      assert(sealingSeconds > 0 && sealingSeconds < passedSeconds / 2, `${sealingSeconds}`);
    } finally {
      await engine.close();
    }
  }));
