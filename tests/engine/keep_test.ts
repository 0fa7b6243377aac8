/** What methods keep of prompts: memory, text, company, and what decides. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest } from "../../src/engine/types.ts";
import {
  collectIds,
  idleStats,
  sharedTinyEngine,
  tinyPrompt,
  withTinyEngine,
} from "../support/tiny_engine.ts";

const MODEL = { contextLength: 1024, type: "F32" } as const;
const PROMPT = tinyPrompt(530, 1);
const REQUEST: GenerateRequest = { promptIds: PROMPT, maxTokens: 90, ignoreEos: true };
const METHODS = [
  "chunkkv:ratio=0.5",
  "chunkkv:tokens=300,chunk=10,reuse=2",
  "dbudgetkv:theta=0.3,rank=attention",
];

const CHANNELS = "chunkkv:ratio=0.5,think:ratio=0.4";

const engineOf = (name: "exact" | "balanced") =>
  sharedTinyEngine({ profile: { name }, model: MODEL, keep: "all", sequenceCountMax: 8 });
const shared = { exact: engineOf("exact"), balanced: engineOf("balanced") };

for (const name of ["exact", "balanced"] as const) {
  const methods = name === "exact" ? METHODS : [...METHODS, CHANNELS];
  Deno.test(`less is kept of prompts: fewer bytes in the arena, and a text of its own (${name})`, async () => {
    const engine = shared[name]();
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
    if (name === "exact") {
      const dropping = () => packedAt({ ...REQUEST, keep: "think:ratio=0.4" });
      await assertRejects(dropping, EngineError, "its records hold all channels");
    }
    const half = await packedAt({ ...REQUEST, keep: "chunkkv:ratio=0.5" });
    // Of 384 sealed tokens 112 stay: the window of 146 counts to half of 530.
    assertGreater(all.packed / half.packed, name === "exact" ? 2.9 : 2);
    const keep = "dbudgetkv:theta=0.3,rank=attention";
    const budget = await packedAt({ ...REQUEST, maxTokens: 21, keep });
    assertGreater(all.packed / budget.packed, 1.2);
    assert(all.ids.join() !== half.ids.join(), "what is dropped was read");
    assertEquals((await idleStats(engine)).cacheBytes.packed, 0);
  });

  Deno.test(`same request, same text: alone, eight at once, behind a cached prompt (${name})`, async () => {
    const engine = shared[name]();
    const requests = ["all", ...methods].map((keep, index) => ({
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
    const twice = [...requests, ...requests];
    const together = await Promise.all(twice.map((each) => collectIds(engine, each)));
    assertEquals(together, [...alone, ...alone]);
    assertEquals(await collectIds(engine, requests[1]), alone[1]);
    assertEquals((await idleStats(engine)).cacheBytes.packed, 0);
  });
}

Deno.test("channels are dropped: fewer bytes in the arena, and not what the whole cache says", async () => {
  const engine = shared.balanced();
  const run = async (keep: string) => {
    const request = { ...REQUEST, maxTokens: 20, keep, logprobs: 1 };
    let packed = NaN;
    let channels: (number | undefined)[] = [];
    const said: string[] = [];
    for await (const event of engine.generate(request)) {
      if (event.type !== "token") continue;
      said.push(JSON.stringify(event.logprobs));
      if (said.length !== 16) continue;
      packed = (await engine.stats()).cacheBytes.packed;
      const kept = (await engine.slots()).find((slot) => slot.kept)?.kept;
      channels = kept?.layers.map(({ keyChannels }) => keyChannels) ?? [];
    }
    return { packed, said, channels };
  };
  const [all, some] = [await run("all"), await run("think:ratio=0.6")];
  assertGreater(all.packed / some.packed, 1.2);
  // Of two heads of 32 channels 19 each go.
  assertEquals(new Set(some.channels), new Set([2 * (32 - 19)]));
  // The first token comes from the whole prompt, all others from what stays.
  assertEquals(some.said[0], all.said[0]);
  assert(some.said[1] !== all.said[1], "what is dropped was read");
});

const REFUSED: [options: Parameters<typeof withTinyEngine>[0], message: string][] = [
  [{ keep: "snapkv", profile: { name: "exact" } }, "no method is called snapkv"],
  [
    { keep: "think", profile: { name: "exact" } },
    "Cannot use --keep think with --profile exact: its records hold all channels; wanted balanced",
  ],
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
