/**
 * The whole product on the real model: engine in its worker, app on a socket, the official client.
 */

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import OpenAI from "openai";
import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { eventually } from "../support/waiting.ts";

const MODEL_ID = "SmolLM2-135M-Instruct";

const QUESTION = {
  model: MODEL_ID,
  messages: [{ role: "user" as const, content: "What is the capital of France?" }],
  temperature: 0,
  max_tokens: 16,
};

async function start() {
  const model = await loadServedModel(defaultModelPath(), { contextLength: 1024 });
  const state = new ServerState();
  state.setReady(model);
  const app = createApp({ state, modelId: MODEL_ID, apiKeys: [], corsOrigins: [] });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const options = { apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 };
  return { model, server, client: new OpenAI(options) };
}

Deno.test("the openai client talks to the real model over a socket", async (t) => {
  const { model, server, client } = await start();
  let answer = "";

  await t.step("it answers a question", async () => {
    const completion = await client.chat.completions.create(QUESTION);
    answer = completion.choices[0].message.content ?? "";
    assertMatch(answer, /Paris/);
    assertEquals(completion.choices[0].finish_reason, "stop");
    assertEquals(completion.usage?.prompt_tokens, 37);
  });

  await t.step("it streams the same answer", async () => {
    const stream = await client.chat.completions.create({ ...QUESTION, stream: true });
    let streamed = "";
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? "";
    assertEquals(streamed, answer);
  });

  await t.step("it gives three streams at a time what each gets alone", async () => {
    const prompts = ["Once upon a time", "The sun is", "In 1969,"];
    const complete = async (prompt: string, index: number) => {
      const sampling = { temperature: index === 0 ? 0 : 0.8, seed: 7 + index };
      const request = { model: MODEL_ID, prompt, max_tokens: 12, ...sampling };
      return (await client.completions.create(request)).choices[0].text;
    };
    const together = await Promise.all(prompts.map(complete));
    for (const [index, prompt] of prompts.entries()) {
      assertEquals(await complete(prompt, index), together[index]);
    }
  });

  await t.step("it cuts a stop string and takes token ids as prompt", async () => {
    const ids = model.tokenizer.tokenize("1, 2, 3, 4,", { parseSpecial: false });
    const request = { model: MODEL_ID, prompt: ids, max_tokens: 12, temperature: 0, stop: ["7"] };
    const { choices: [choice] } = await client.completions.create(request);
    assertMatch(choice.text, /^ 5, 6, $/);
    assertEquals(choice.finish_reason, "stop");
  });

  await t.step("it refuses what exceeds the context, with both numbers", async () => {
    const tooLong = { ...QUESTION, max_tokens: 5000 };
    const error = await assertRejects(() => client.chat.completions.create(tooLong));
    assertInstanceOf(error, OpenAI.BadRequestError);
    assertEquals(error.code, "context_length_exceeded");
    assertMatch(error.message, /5037.*1024/s);
  });

  await t.step("it ends the sequence of a client that goes away", async () => {
    const request = { model: MODEL_ID, prompt: "a", max_tokens: 900, stream: true as const };
    const { generatedTokenCount: before } = await model.engine.stats();
    const stream = await client.completions.create(request);
    for await (const _ of stream) break;
    stream.controller.abort();
    await eventually(async () => (await model.engine.stats()).runningSequenceCount === 0);
    const count = (await model.engine.stats()).generatedTokenCount - before;
    assert(count < request.max_tokens, `${count} tokens`);
  });

  await server.stop();
});
