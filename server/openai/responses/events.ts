/**
 * One answer of POST /v1/responses as events.
 *
 * @module
 */

import type { NamedModel } from "../../models/models.ts";
import type { RequestWatch } from "../../request_watch.ts";
import { generateText } from "../generation/generate_text.ts";
import type { GenerationTimings } from "../generation/observer.ts";
import type { GenerationSpec } from "../generation/spec.ts";
import type { Message } from "../past_messages.ts";
import { sealThoughts, toMessages } from "./input.ts";
import { type Event, type Item, ItemWriter, newId } from "./items.ts";
import type { KeptResponses } from "./kept.ts";
import type { ResponsesRequest } from "./request.ts";

/** One request in the course of being answered. */
export interface ResponseRun {
  request: ResponsesRequest;
  spec: GenerationSpec;
  model: NamedModel;
  signal: AbortSignal;
  watch: RequestWatch;
  /** Gets the answer if it is to be kept. */
  kept: KeptResponses;
}

/** An answer as later requests have it before them. */
function answerMessages(items: readonly Item[]): Message[] {
  return toMessages(items as unknown as Parameters<typeof toMessages>[0], []);
}

function toUsage(timings: GenerationTimings) {
  const { promptTokenCount, completionTokenCount, cachedTokenCount } = timings;
  return {
    input_tokens: promptTokenCount,
    input_tokens_details: { cached_tokens: cachedTokenCount, cache_write_tokens: 0 },
    output_tokens: completionTokenCount,
    output_tokens_details: { reasoning_tokens: timings.reasoningTokenCount },
    total_tokens: promptTokenCount + completionTokenCount,
  };
}

/** All events of an answer, in order; the first ones come when the engine has accepted it. */
export async function* eventsOf(
  { request, spec, model, signal, watch, kept }: ResponseRun,
): AsyncGenerator<Event> {
  const { places, sealsThoughts } = request;
  const seal = sealsThoughts ? sealThoughts : null;
  const writer = new ItemWriter(model.tokenizer, { seal, places });
  const id = request.requestId === null ? newId("resp") : `resp_${request.requestId}`;
  const head = { id, object: "response", created_at: Math.floor(Date.now() / 1000) };
  const response = (status: string, rest: object) => ({
    response: {
      ...head,
      status,
      error: null,
      incomplete_details: null,
      model: model.id,
      output: writer.items,
      usage: null,
      completed_at: null,
      ...request.echoed,
      ...rest,
    },
  });
  let hasBegun = false;
  for await (const piece of generateText(spec, { model, signal, observer: watch })) {
    if (!hasBegun) {
      hasBegun = true;
      yield { type: "response.created", ...response("in_progress", {}) };
      yield { type: "response.in_progress", ...response("in_progress", {}) };
    }
    if (piece.type === "finish") {
      const status = piece.reason === "stop" ? "completed" : "incomplete";
      yield* writer.close(status);
      const incomplete_details = status === "completed" ? null : { reason: "max_output_tokens" };
      const usage = toUsage(piece.timings);
      const completed_at = status === "completed" ? Math.floor(Date.now() / 1000) : null;
      const last = response(status, { incomplete_details, usage, completed_at });
      if (request.isKept) {
        const messages = [
          ...request.conversation.messages.slice(request.echoed.instructions ? 1 : 0),
          ...answerMessages(writer.items),
        ];
        kept.keep({ answer: structuredClone(last.response), messages });
      }
      yield { type: `response.${status}`, ...last };
    } else if (piece.type !== "progress") yield* writer.write(piece);
  }
}
