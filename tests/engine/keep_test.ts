/** What methods keep of prompts: memory, text, company, and what decides. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { collectIds, idleStats, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const MODEL = { contextLength: 1024, type: "F32" } as const;
const PROMPT = tinyPrompt(530, 1);
const REQUEST: GenerateRequest = { promptIds: PROMPT, maxTokens: 90, ignoreEos: true };
const METHODS = [
  "chunkkv:ratio=0.5",
  "chunkkv:tokens=300,chunk=10,reuse=2",
  "dbudgetkv:theta=0.3,rank=attention",
];

for (const name of ["exact", "balanced"] as const) {
  const options = { profile: { name }, model: MODEL, keep: "all", sequenceCountMax: 4 };
  Deno.test(`less is kept of prompts: fewer bytes in the arena, and a text of its own (${name})`, () =>
    withTinyEngine(options, async (engine) => {
      const packedAt = async (request: GenerateRequest) => {
        let packed = NaN;
        const ids: number[] = [];
        for await (const event of engine.generate(request)) {
          if (event.type !== "token") continue;
          ids.push(event.id);
          if (ids.length === 20) packed = (await engine.stats()).cacheBytes.packed;
        }
        return { packed, ids };
      };
      const all = await packedAt(REQUEST);
      const half = await packedAt({ ...REQUEST, keep: "chunkkv:ratio=0.5" });
      // Of 384 sealed tokens 112 stay: the window of 146 counts to half of 530.
      assertGreater(all.packed / half.packed, name === "exact" ? 2.9 : 2);
      assert(all.ids.join() !== half.ids.join(), "what is dropped was read");
      assertEquals((await idleStats(engine)).cacheBytes.packed, 0);
    }));

  Deno.test(`same request, same text: alone, in company, behind a cached prompt (${name})`, () =>
    withTinyEngine(options, async (engine) => {
      const requests = ["all", ...METHODS].map((keep, index) => ({
        ...REQUEST,
        promptIds: index === 3 ? tinyPrompt(300, 3) : PROMPT,
        keep,
      }));
      const alone: number[][] = [];
      for (const request of requests) {
        alone.push(await collectIds(engine, { ...request, skipsCache: true }));
      }
      const texts = new Set(alone.map((ids) => ids.join()));
      assertEquals(texts.size, requests.length);
      for (const _ of [1, 2]) {
        const together = await Promise.all(requests.map((each) => collectIds(engine, each)));
        assertEquals(together, alone);
      }
    }));
}

const REFUSED: [options: Parameters<typeof withTinyEngine>[0], message: string][] = [
  [{ keep: "snapkv", profile: { name: "exact" } }, "no method is called snapkv"],
  [{ keep: "chunkkv", profile: { name: "paper" } }, "no kernel puts parts of its records together"],
  [{
    keep: "chunkkv",
    profile: { name: "exact" },
    sealPolicy: { name: "drop-blocks", blocks: [1] },
  }, "drop-blocks 1"],
];

for (const [options, message] of REFUSED) {
  Deno.test(`an engine refuses what cannot be put together: ${message}`, async () => {
    await assertRejects(() => withTinyEngine(options, async () => {}), Error, message);
  });
}

Deno.test("a request is refused that asks for what an engine without keep cannot do", () =>
  withTinyEngine({ profile: { name: "exact" } }, async (engine) => {
    const request = { promptIds: [1, 2], maxTokens: 2, keep: "chunkkv" };
    await assertRejects(() => collectIds(engine, request), EngineError, "started without --keep");
  }));
