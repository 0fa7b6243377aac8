/** Answers have every field of the types that the SDKs of their protocols have. */

import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { assertEquals } from "@std/assert";
import type { z } from "zod";
import { countAnswer, messageAnswer, type messageEvent } from "../../server/anthropic/answer.ts";
import { responsesAnswer, type responsesEvent } from "../../server/openai/responses/answer.ts";
import { modelAnswer } from "../../server/routes/models.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

/**
 * Without what is repeated of a request as it came, what clients are tested with, and the numbers
 * that there are only in the end.
 */
type Response = Omit<
  OpenAI.Responses.Response,
  "error" | "output" | "output_text" | "reasoning" | "text" | "tools" | "tool_choice" | "usage"
>;
type AnswerEvent = Exclude<z.infer<typeof messageEvent>, { type: "ping" | "error" }>;
type ResponseEventType = OpenAI.Responses.ResponseStreamEvent["type"];

/** Compiles only if each event of ours is one of theirs. */
const eventOf = (event: AnswerEvent): Anthropic.RawMessageStreamEvent => event;
const typeOf = ({ type }: z.infer<typeof responsesEvent>): ResponseEventType => type;

Deno.test("answers of /v1/messages, /v1/responses and /v1/models are of the types that SDKs have", async () => {
  const { app, post } = harness(() => tokensOf("Hello."), { info: { contextLength: 6000 } });
  const messages = [{ role: "user", content: "hi" }];
  const asked = { model: "fake", max_tokens: 50, messages };
  const message: Anthropic.Message = messageAnswer.strict().parse(
    await (await post("/v1/messages", asked)).json(),
  );
  assertEquals(message.content, [{ type: "text", text: "Hello.", citations: null }]);
  const counted: Anthropic.MessageTokensCount = countAnswer.strict().parse(
    await (await post("/v1/messages/count_tokens", asked)).json(),
  );
  assertEquals(counted.input_tokens, message.usage.input_tokens);
  const { data: [listed] } = await (await app.request("/v1/models")).json();
  const { max_input_tokens = null, max_tokens = null, ...rest } = modelAnswer.strict().parse(
    listed,
  );
  const model: Anthropic.ModelInfo = { ...rest, max_input_tokens, max_tokens };
  assertEquals([model.id, model.lifecycle], ["fake", "active"]);
  const input = [
    { role: "user", content: "hi" },
    { role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
    { role: "user", content: "hi" },
  ];
  const answer = responsesAnswer.strict().parse(
    await (await post("/v1/responses", { input, reasoning: { effort: "low" } })).json(),
  );
  const response: Response = answer;
  const usage: OpenAI.Responses.ResponseUsage = answer.usage!;
  assertEquals(usage.output_tokens, 6);
  assertEquals(response.status, "completed");
  assertEquals(answer.reasoning, { effort: "low", summary: null });
  assertEquals(typeof response.completed_at, "number");
  const lastOf = async (path: string, body: object) => {
    const frames = (await (await post(path, { ...body, stream: true })).text()).trim().split(
      "\n\n",
    );
    return JSON.parse(frames.at(-1)!.split("\ndata: ")[1]);
  };
  assertEquals(eventOf(await lastOf("/v1/messages", asked)).type, "message_stop");
  assertEquals(typeOf(await lastOf("/v1/responses", { input: "hi" })), "response.completed");
});
