/** Sixteen sequences of the real model at a time. */

import { assertEquals } from "@std/assert";
import { loadTokenizer } from "../../mod.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";
import { createEngine } from "../../src/engine/client.ts";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { seededRandom } from "../support/numeric.ts";
import { collectIds } from "../support/tiny_engine.ts";

const SEQUENCE_COUNT = 16;

/** Greedy and seeded by turns; every fourth prompt is long enough that blocks of it are packed. */
async function requests(modelPath: string): Promise<GenerateRequest[]> {
  const ids = (await loadTokenizer(modelPath)).tokenize(CALIBRATION_TEXT, { parseSpecial: false });
  const random = seededRandom(23);
  return Array.from({ length: SEQUENCE_COUNT }, (_, index) => {
    const start = Math.floor(random() * 3000);
    const length = index % 4 === 0
      ? 200 + Math.floor(random() * 64)
      : 8 + Math.floor(random() * 40);
    return {
      promptIds: ids.slice(start, start + length),
      maxTokens: 6 + Math.floor(random() * 10),
      ignoreEos: true,
      ...(index % 2 === 0 ? {} : { sampling: { temperature: 1, topP: 0.95, seed: index } }),
    };
  });
}

Deno.test("each of 16 sequences of the real model gets the tokens it gets alone", async () => {
  const modelPath = defaultModelPath();
  const engine = await createEngine({
    modelPath,
    contextLength: 1024,
    sequenceCountMax: SEQUENCE_COUNT,
    sharesPrefixes: false,
  });
  try {
    const all = await requests(modelPath);
    const random = seededRandom(24);
    const texts = await Promise.all(all.map(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, random() * 1000));
      return await collectIds(engine, request);
    }));
    for (const [index, request] of all.entries()) {
      assertEquals(texts[index].length, request.maxTokens);
      assertEquals(texts[index], await collectIds(engine, request), `request ${index}`);
    }
  } finally {
    await engine.close();
  }
});
