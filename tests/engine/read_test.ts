/** What decode rows read of their context: text, company, counts, and what cannot be asked for. */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const MODEL = { contextLength: 1024, type: "F32" } as const;
/** 8 blocks, 6 of them sealed. */
const PROMPT = tinyPrompt(530, 1);
const REQUEST: GenerateRequest = { promptIds: PROMPT, maxTokens: 70, ignoreEos: true };

for (const name of ["exact", "balanced", "paper", "int8", "xquant"] as const) {
  const options = { profile: { name }, model: MODEL, sequenceCountMax: 4 };
  Deno.test(`a row that may read every block gives the text of one that reads all (${name})`, async () => {
    const texts: Record<string, number[]> = {};
    await withTinyEngine({ ...options, read: "quest:blocks=2,dense=0" }, async (engine) => {
      texts.all = await collectIds(engine, { ...REQUEST, read: "all" });
      texts.enough = await collectIds(engine, { ...REQUEST, read: "quest:blocks=100" });
      texts.two = await collectIds(engine, REQUEST);
    });
    assertEquals(texts.enough, texts.all);
    assertNotEquals(texts.two, texts.all);
    if (name !== "balanced") return;
    await withTinyEngine(options, async (engine) => {
      assertEquals(await collectIds(engine, REQUEST), texts.all);
    });
  });
}

for (const read of ["quest:blocks=2,dense=1", "clusterkv:tokens=128,dense=1"]) {
  const options = {
    profile: { name: "balanced" },
    model: MODEL,
    read,
    sequenceCountMax: 4,
  } as const;
  Deno.test(`same request, same text: alone, in company, behind a cached prompt (${read})`, () =>
    withTinyEngine(options, async (engine) => {
      const [kind] = read.split("=");
      const requests = [read, `${kind}=320`, "all", read].map((each, index) => ({
        ...REQUEST,
        promptIds: index === 3 ? tinyPrompt(300, 3) : PROMPT,
        read: each.replace("blocks=320", "blocks=5"),
      }));
      const alone: number[][] = [];
      for (const request of requests) {
        alone.push(await collectIds(engine, { ...request, skipsCache: true }));
      }
      for (const _ of [1, 2]) {
        const together = await Promise.all(requests.map((each) => collectIds(engine, each)));
        assertEquals(together, alone);
      }
    }));
}

Deno.test("it is counted what rows could read and what they did", () =>
  withTinyEngine(
    { profile: { name: "exact" }, model: MODEL, read: "quest:blocks=2,dense=0", speculates: false },
    async (engine) => {
      await collectIds(engine, { ...REQUEST, maxTokens: 4 });
      const after = await engine.stats();
      // Three decode rows, each of them before the next seal: 4 of 6 blocks are left out.
      const readable = 531 + 532 + 533;
      assertEquals(after.readableTokenCount, readable);
      assertEquals(after.readTokenCount, readable - 3 * 4 * 64);
      // An f16 pair for 2 layers, 4 slots, 14 blocks and as many channels as the tiny model has.
      assert(engine.info.summaryBytes > 0);
    },
  ));

const REFUSED: [read: string, message: string][] = [
  ["snapkv", "no method is called snapkv"],
  ["hcattention:pool=0.2", "hcattention needs tau"],
  ["hcattention:tau=1.5", "tau is 1.5; wanted a share above 0, at most 1"],
  ["hcattention:tau=0.98,pool=1", "pool is 1, and leaves no room for keys"],
  ["quest:blocks=2,pool=0.2", "quest has no setting pool; it has blocks, dense"],
  [
    "deltakv:stride=10",
    "deltakv is not served: it is how blocks are stored, not what is read of them",
  ],
  ["oracle:blocks=4", "oracle is not served: it looks at all keys to choose"],
  ["quest", "quest needs blocks"],
  ["quest:blocks=0", "blocks is 0; wanted a whole number from 1"],
  ["quest:tokens=64", "quest has no setting tokens; it has blocks, dense"],
  ["clusterkv:tokens=64,tokens=64", "tokens stands twice"],
];

for (const [read, message] of REFUSED) {
  Deno.test(`an engine is not created that should read what cannot be: ${message}`, async () => {
    await assertRejects(() => withTinyEngine({ read }, async () => {}), RangeError, message);
  });
}

Deno.test("a request is refused that asks for what the engine has no summaries for", async () => {
  const asking = { promptIds: [1, 2], maxTokens: 2 };
  await withTinyEngine({ profile: { name: "exact" } }, async (engine) => {
    const request = { ...asking, read: "quest:blocks=2" };
    await assertRejects(() => collectIds(engine, request), EngineError, "started without --read");
  });
  await withTinyEngine({ profile: { name: "exact" }, read: "quest:blocks=2" }, async (engine) => {
    for (
      const [read, message] of [
        ["clusterkv:tokens=64", "scores blocks for quest:blocks=2"],
        ["quest:blocks=2,dense=5", "the first 2 layers read every block"],
      ]
    ) {
      await assertRejects(() => collectIds(engine, { ...asking, read }), EngineError, message);
    }
  });
});
