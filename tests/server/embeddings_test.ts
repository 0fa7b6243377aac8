/** POST /v1/embeddings. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import OpenAI from "openai";
import { FAKE_EOS_ID, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";
import { withFakeServer } from "./socket_servers.ts";

const PATH = "/v1/embeddings";

/** What the fake gives for ids of a sum, with length 1. */
function vectorOf(sum: number): number[] {
  return [3, sum].map((value) => Math.fround(value / Math.hypot(3, sum)));
}

const sumOf = (text: string) => tokensOf(text).reduce((sum, id) => sum + id, 0);

Deno.test("the openai client gets the vector of each text, in their order, as floats and in base64", () =>
  withFakeServer(() => [], async ({ url }) => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
    const input = ["one", "and two", "three"];
    // Without a format the client asks for base64 and decodes it.
    for (const format of [undefined, "float"] as const) {
      const answer = await client.embeddings.create({
        model: "fake",
        input,
        ...(format === undefined ? {} : { encoding_format: format }),
      });
      assertEquals([answer.object, answer.model], ["list", "fake"]);
      assertEquals(answer.usage, { prompt_tokens: 15, total_tokens: 15 });
      for (const [index, text] of input.entries()) {
        const { embedding, ...rest } = answer.data[index];
        assertEquals(rest, { object: "embedding", index });
        embedding.forEach((value, channel) => {
          assert(Math.abs(value - vectorOf(sumOf(text))[channel]) < 1e-6);
        });
      }
    }
    const raw = await client.embeddings.create({
      model: "fake",
      input: "one",
      encoding_format: "base64",
    });
    assertEquals(typeof raw.data[0].embedding, "string");
  }));

Deno.test("texts and token ids, one or several, are pooled as the request, the file or the default says", async () => {
  const vectorsOf = async (body: object, pooling: "mean" | "last" | null = null) => {
    const { post, engine } = harness(() => [], { info: { pooling } });
    const answer = await (await post(PATH, body)).json();
    // deno-lint-ignore no-explicit-any
    return { vectors: answer.data.map((each: any) => each.embedding), asked: engine.requests };
  };
  const near = (found: number[][], sums: number[]) => {
    assertEquals(found.length, sums.length);
    found.flat().forEach((value, index) => {
      assert(Math.abs(value - sums.flatMap(vectorOf)[index]) < 1e-6);
    });
  };
  near((await vectorsOf({ input: "ab" })).vectors, [195]);
  near((await vectorsOf({ input: "ab", pooling: "last" })).vectors, [98]);
  near((await vectorsOf({ input: "ab" }, "last")).vectors, [98]);
  near((await vectorsOf({ input: "ab", pooling: "mean" }, "last")).vectors, [195]);
  near((await vectorsOf({ input: [97, 98] })).vectors, [195]);
  near((await vectorsOf({ input: [[97], [98, 99]] })).vectors, [97, 197]);
  const { asked } = await vectorsOf({ input: "ab" });
  assertEquals([asked[0].maxTokens, asked[0].pooling], [0, "mean"]);
});

Deno.test("a text that becomes a vector gets the model's BOS and EOS, once, unless it is to have none", async () => {
  const tokenizer = { ...FAKE_TOKENIZER, addBos: true, bosId: 1, addedEosId: FAKE_EOS_ID };
  const { post, engine } = harness(() => [], { model: { tokenizer } });
  for (const body of [{ input: "a" }, { input: "a<|end|>" }, { input: [97] }]) {
    await (await post(PATH, body)).json();
  }
  await (await post(PATH, { input: "a", add_special_tokens: false })).json();
  const whole = [1, 97, FAKE_EOS_ID];
  assertEquals(engine.requests.map(({ promptIds }) => promptIds), [whole, whole, [97], [97]]);
});

Deno.test("what cannot be honoured is refused by its name", async () => {
  const { post, engine } = harness(() => []);
  const cases: [body: object, param: string, code: string][] = [
    [{}, "input", "missing_required_parameter"],
    [{ input: "" }, "input", "invalid_value"],
    [{ input: ["a", ""] }, "input[1]", "invalid_value"],
    [{ input: "a", dimensions: 1 }, "dimensions", "unsupported_parameter"],
    [{ input: "a", encoding_format: "int8" }, "encoding_format", "invalid_value"],
    [{ input: "a", pooling: "cls" }, "pooling", "invalid_value"],
    [{ input: ["a", "b".repeat(201)] }, "input[1]", "context_length_exceeded"],
    [{ input: [300] }, "input", "invalid_value"],
    [{ input: "a", truncate_prompt_tokens: 5 }, "truncate_prompt_tokens", "unsupported_parameter"],
  ];
  for (const [body, param, code] of cases) {
    const response = await post(PATH, body);
    const { error } = await response.json();
    assertEquals([body, response.status, error.param, error.code], [body, 400, param, code]);
  }
  assertEquals(engine.requests.length, 0);
  assertEquals((await post(PATH, { input: "a", dimensions: 2 })).status, 200);
  const { error } = await (await post(PATH, { input: "a", dimensions: 3 })).json();
  assertStringIncludes(error.message, "the model's vectors have 2");
});

Deno.test("no more texts run at a time than the engine has slots, and a failure of one is that of the request", async () => {
  const failing = harness((_, index) => index === 5 ? [new Error("broken")] : [{ waitMs: 5 }]);
  const input = Array.from({ length: 9 }, (_, index) => `text ${index}`);
  assertEquals((await failing.post(PATH, { input })).status, 500);
  const { post, engine, state } = harness(() => [{ waitMs: 5 }]);
  assertEquals((await (await post(PATH, { input })).json()).data.length, 9);
  assertEquals([engine.activeCountMax, engine.activeCount, state.inFlightCount], [4, 0, 0]);
});
