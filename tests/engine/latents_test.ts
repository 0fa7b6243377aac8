/** Models that keep latents: every profile, in company, behind shared prefixes, and their bytes. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateEvent, GenerateRequest, ProfileOptions } from "../../src/engine/types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { referenceLogits } from "../support/reference_model.ts";
import {
  collectEvents,
  collectIds,
  tinyPrompt,
  withTinyEngine,
  withTinyModel,
} from "../support/tiny_engine.ts";

/** Four bits: 16 levels of each token and half, as CLLA keeps them. */
const INT4: ProfileOptions = { name: "paper", keyRel: 1 / 15, valueRel: 1 / 15 };

/** Nats; the seeded model's logits have a standard deviation of about 2. */
const INT4_KL_MAX = 0.02;

const CASES: { architecture: string; profile: ProfileOptions }[] = [
  { architecture: "deepseek2", profile: { name: "exact" } },
  { architecture: "deepseek2", profile: { name: "balanced" } },
  { architecture: "clla", profile: INT4 },
];

function ask(length: number, question: number): GenerateRequest {
  const promptIds = [...tinyPrompt(300, 1), ...tinyPrompt(length, question)];
  return { promptIds, maxTokens: 6, ignoreEos: true, sampling: { temperature: 1.3, seed: 7 } };
}

/** The tokens are those, of a request that began behind blocks of the cache. */
function assertBehindCache(events: readonly GenerateEvent[], ids: readonly number[]): void {
  assertEquals(events.flatMap((event) => event.type === "token" ? [event.id] : []), ids);
  const last = events.at(-1)!;
  assert(last.type === "finish");
  assertGreater(last.cachedTokenCount, 0, "it begins behind blocks of the cache");
}

for (const { architecture, profile } of CASES) {
  const name = JSON.stringify(profile);
  Deno.test(`latents of ${architecture} give the same text alone, together, behind shared prefixes and restored (${name})`, () =>
    withTinyEngine({ profile, model: { architecture } }, async (engine) => {
      const requests = [ask(20, 2), ask(50, 3)];
      const alone: number[][] = [];
      for (const request of requests) alone.push(await collectIds(engine, request));
      const together = await Promise.all(requests.map((each) => collectEvents(engine, each)));
      together.forEach((events, index) => assertBehindCache(events, alone[index]));
      const [, saved] = requests;
      const path = await Deno.makeTempFile({ prefix: "packkv-latents-" });
      try {
        for (const slot of [0, 1]) await engine.actOnSlot(slot, { type: "erase" });
        assertEquals(await collectIds(engine, saved), alone[1]);
        await engine.actOnSlot(0, { type: "save", path });
        await engine.actOnSlot(0, { type: "erase" });
        assertEquals((await engine.stats()).retainedBytes, 0, "nothing is left of it");
        const { tokenCount } = await engine.actOnSlot(0, { type: "restore", path });
        assertEquals(tokenCount, 320);
        assertBehindCache(await collectEvents(engine, saved), alone[1]);
      } finally {
        await Deno.remove(path);
      }
    }));
}

Deno.test("latents of a clla layer pair in 4 bits take under 2% of keys and values of all heads", () => {
  const [headCount, keySize, valueSize, layerCount, tokenCount] = [16, 96, 64, 2, 640];
  const model = {
    architecture: "clla",
    layerCount,
    queryHeadCount: headCount,
    contextLength: 1024,
    sizesMetadata: {
      "clla.attention.kv_lora_rank": 96,
      "clla.attention.key_length_mla": keySize,
      "clla.attention.value_length_mla": valueSize,
    },
  };
  return withTinyEngine({ profile: INT4, sequenceCountMax: 1, model }, async (engine) => {
    // So many that it runs on while it is looked at.
    const request = { promptIds: tinyPrompt(tokenCount, 3), maxTokens: 300, ignoreEos: true };
    let shares = 0;
    for await (const event of engine.generate(request)) {
      if (event.type !== "token") continue;
      const { layerBytes, cacheBytes } = await engine.stats();
      const window = layerBytes.reduce((sum, layer) => sum + layer.window, 0);
      assertEquals(layerBytes[1].window + layerBytes[1].packed, 0, "the second layer keeps none");
      assertGreater(layerBytes[0].packed, 0);
      const fullBytes = tokenCount * layerCount * headCount * (keySize + valueSize) * 2;
      const share = (cacheBytes.allocated + window) / fullBytes;
      console.log(`${(100 * share).toFixed(2)}% of the bytes of all heads`);
      assert(share < 0.02, `${share} of the bytes of all heads`);
      shares++;
      break;
    }
    assertEquals(shares, 1);
  });
});

Deno.test("a clla model in 4 bits stays near f64 loops that keep all heads as they are", () =>
  withTinyModel({ architecture: "clla" }, async (path) => {
    const file = await readGguf(path);
    const model = await loadModel(file, () => {});
    const promptIds = tinyPrompt(330, 3);
    const first = 256; // sees sealed blocks, as do those behind it
    try {
      const expected = referenceLogits(file, promptIds, { first });
      const klOf = async (profile: ProfileOptions) => {
        const run = await createSequenceRun(model, { profile, promptIds, maxTokens: 1 });
        const rows: Float32Array[] = [];
        while (rows.length < promptIds.length) {
          rows.push(...await run.nextSlice({ wantsLogits: true }));
        }
        run.destroy();
        const kls = expected.map((row, index) => divergence(row, rows[first + index]));
        return kls.reduce((sum, kl) => sum + kl, 0) / kls.length;
      };
      const [exact, int4] = [await klOf({ name: "exact" }), await klOf(INT4)];
      console.log(`mean KL ${exact} exact, ${int4} in 4 bits`);
      assert(exact < 1e-6, `${exact} exact`);
      assert(int4 > exact && int4 < INT4_KL_MAX, `${int4} in 4 bits`);
    } finally {
      model.gpu.close();
    }
  }));

/** KL of the next token, in nats. */
function divergence(wanted: ArrayLike<number>, given: ArrayLike<number>): number {
  const [p, q] = [wanted, given].map((logits) => {
    const parts = Array.from(logits, (logit) => Math.exp(logit));
    const sum = parts.reduce((total, part) => total + part, 0);
    return parts.map((part) => part / sum);
  });
  return p.reduce((sum, share, id) => sum + share * Math.log(share / q[id]), 0);
}

Deno.test("an engine refuses to drop tokens of latents, and to read some of them", async () => {
  for (
    const [param, options] of [
      ["keep", { keep: "chunkkv" }],
      ["read", { read: "quest:blocks=4" }],
    ] as const
  ) {
    const profile = { name: "exact" } as const;
    const model = { architecture: "clla" };
    const load = () => withTinyEngine({ profile, model, ...options }, () => Promise.resolve());
    const error = await assertRejects(load, EngineError, `--${param} with a model that keeps`);
    assertEquals([error.code, error.param], ["invalid_request", param]);
  }
});
