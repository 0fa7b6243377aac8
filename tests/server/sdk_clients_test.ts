/** The AI SDK and LangChain for JavaScript over a socket, every answer held to its schema. */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { startServer } from "../../server/serve.ts";
import { AnswerCheck } from "../support/answer_check.ts";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city":"Bonn"}}\n</tool_call>';
const cityOf = z.object({ city: z.string() });
const person = z.object({ name: z.string(), age: z.number() });

async function withServer(
  script: FakeScript,
  body: (url: string, check: AnswerCheck) => Promise<void>,
): Promise<void> {
  const { app, state } = harness(script, { info: { contextLength: 4000 } });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const check = new AnswerCheck((path) => fetch(server.url + path));
  try {
    await body(`${server.url}/v1`, check);
    assert(check.checkedCount > 0, "answers were checked");
  } finally {
    await server.stop();
  }
}

/** Runs `body` with the AI SDK's model. */
function withAiSdk(
  script: FakeScript,
  body: (model: ReturnType<ReturnType<typeof createOpenAICompatible>>) => Promise<void>,
): Promise<void> {
  return withServer(script, (baseURL, { fetch }) => {
    const options = { name: "packkv", baseURL, apiKey: "x", fetch };
    const provider = createOpenAICompatible({
      ...options,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
    return body(provider("fake"));
  });
}

Deno.test("the AI SDK generates and streams text with usage", () =>
  withAiSdk(() => tokensOf("hé!"), async (model) => {
    const { text, finishReason, usage } = await generateText({ model, prompt: "hi" });
    assertEquals([text, finishReason, usage.outputTokens], ["hé!", "stop", 4]);
    const stream = streamText({ model, prompt: "hi" });
    let streamed = "";
    for await (const part of stream.textStream) streamed += part;
    assertEquals(streamed, "hé!");
    assertEquals((await stream.usage).outputTokens, 4);
  }));

Deno.test("the AI SDK calls a tool and goes on with its result", () =>
  withAiSdk((_, callIndex) => tokensOf(callIndex === 0 ? CALL : "Rain."), async (model) => {
    const asked: string[] = [];
    const weather = tool({
      description: "of a city",
      inputSchema: cityOf,
      execute: ({ city }) => {
        asked.push(city);
        return "rain";
      },
    });
    const stopWhen = stepCountIs(3);
    const { text } = await generateText({ model, prompt: "hi", tools: { weather }, stopWhen });
    assertEquals([text, asked], ["Rain.", ["Bonn"]]);
  }));

Deno.test("the AI SDK streams the arguments of a call", () =>
  withAiSdk(() => tokensOf(CALL), async (model) => {
    const weather = tool({ inputSchema: cityOf, execute: () => "rain" });
    const stream = streamText({ model, prompt: "hi", tools: { weather } });
    const calls = await stream.toolCalls;
    assertEquals(calls.map(({ input }) => input), [{ city: "Bonn" }]);
    assertEquals(await stream.finishReason, "tool-calls");
  }));

Deno.test("the AI SDK gets an object of a schema", () =>
  withAiSdk(() => tokensOf('{"name":"Ann","age":7}'), async (model) => {
    const output = Output.object({ schema: person });
    const answer = await generateText({ model, prompt: "hi", output });
    assertEquals(answer.output, { name: "Ann", age: 7 });
  }));

/** Runs `body` with LangChain's model. */
function withLangChain(
  script: FakeScript,
  body: (model: ChatOpenAI) => Promise<void>,
): Promise<void> {
  return withServer(script, (baseURL, { fetch }) => {
    const configuration = { baseURL, fetch };
    return body(new ChatOpenAI({ model: "fake", apiKey: "x", maxRetries: 0, configuration }));
  });
}

Deno.test("LangChain's ChatOpenAI answers and streams", () =>
  withLangChain(() => tokensOf("hello"), async (model) => {
    const answer = await model.invoke("hi");
    const usage = answer.usage_metadata as { output_tokens: number } | undefined;
    assertEquals([answer.text, usage?.output_tokens], ["hello", 5]);
    let streamed = "";
    for await (const chunk of await model.stream("hi")) streamed += chunk.text;
    assertEquals(streamed, "hello");
    await assertRejects(() => model.invoke("x".repeat(5000)), Error, "maximum context length");
  }));

Deno.test("LangChain's ChatOpenAI calls tools and gets objects of a schema", () =>
  withLangChain(
    (_, callIndex) => tokensOf(callIndex === 0 ? CALL : '{"name":"Ann","age":7}'),
    async (model) => {
      const options = { name: "weather", description: "of a city", schema: cityOf };
      const weather = langchainTool(({ city }) => `rain in ${city}`, options);
      const answer = await model.bindTools([weather]).invoke("hi");
      assertEquals(answer.tool_calls?.map(({ name, args }) => [name, args]), [
        ["weather", { city: "Bonn" }],
      ]);
      const structured = model.withStructuredOutput(person, { method: "jsonSchema" });
      assertEquals(await structured.invoke("hi"), { name: "Ann", age: 7 });
    },
  ));
