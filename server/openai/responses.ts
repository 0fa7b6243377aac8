/**
 * POST /v1/responses: one generation as output items, streamed event by event. A whole answer is
 * what the last event holds.
 *
 * @module
 */

import type { Context } from "hono";
import { invariant } from "../../src/core/errors.ts";
import { type RequestWatch, watchOf } from "../request_watch.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { toErrorAnswer } from "./errors.ts";
import { generateText } from "./generation/generate_text.ts";
import type { GenerationTimings } from "./generation/observer.ts";
import type { CallPiece, GenerationPiece } from "./generation/pieces.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import { renderChat } from "./chat_prompt.ts";
import { readJson } from "./parse_body.ts";
import { openScope } from "./request_scope.ts";
import { checkModelName, fittingIds, readyModel, type RouteContext } from "./route_context.ts";
import { parseResponsesRequest, type ResponsesRequest } from "./responses/request.ts";
import { fitLengths } from "./schema_lengths.ts";
import { toSpecs } from "./specs.ts";
import { answerSse } from "./sse.ts";
import { toChatLogprobs } from "./token_lineup.ts";
import { checkChatLength } from "./text_limit.ts";

type Item = Record<string, unknown> & { id: string; type: "message" | "function_call" };
type Event = Record<string, unknown> & { type: string; response?: { output: readonly Item[] } };

const newId = (prefix: string) => `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;

type TextPiece = Extract<GenerationPiece, { type: "text" }>;

/** The output items of one answer, as events. */
class ItemWriter {
  readonly items: Item[] = [];
  readonly #tokenizer: Tokenizer;
  #text = "";
  /** Of the tokens of the text. */
  #logprobs: object[] = [];

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  get #last(): Item | undefined {
    return this.items.at(-1);
  }

  get #place() {
    return { item_id: this.#last!.id, output_index: this.items.length - 1 };
  }

  *write(piece: TextPiece | CallPiece): Generator<Event> {
    if (piece.type === "text") {
      if (piece.text === "") return;
      if (this.#last?.type !== "message") yield* this.#openMessage();
      this.#text += piece.text;
      const place = { ...this.#place, content_index: 0 };
      const { content: logprobs } = toChatLogprobs(this.#tokenizer, piece.tokens);
      this.#logprobs.push(...logprobs);
      yield { type: "response.output_text.delta", ...place, delta: piece.text, logprobs };
    } else if (piece.type === "call") {
      yield* this.close("completed");
      yield* this.#open({
        type: "function_call",
        id: newId("fc"),
        call_id: piece.id,
        name: piece.name,
        arguments: "",
        status: "in_progress",
      });
    } else {
      this.#text += piece.text;
      const { text: delta } = piece;
      yield { type: "response.function_call_arguments.delta", ...this.#place, delta };
    }
  }

  *#openMessage(): Generator<Event> {
    yield* this.close("completed");
    const message = { role: "assistant", status: "in_progress", content: [] };
    yield* this.#open({ type: "message", id: newId("msg"), ...message });
    const part = { type: "output_text", text: "", annotations: [] };
    yield { type: "response.content_part.added", ...this.#place, content_index: 0, part };
  }

  *#open(item: Item): Generator<Event> {
    this.items.push(item);
    this.#text = "";
    this.#logprobs = [];
    yield {
      type: "response.output_item.added",
      output_index: this.items.length - 1,
      item: { ...item },
    };
  }

  /** Ends the item that is open, if one is. */
  *close(status: "completed" | "incomplete"): Generator<Event> {
    const item = this.#last;
    if (item?.status !== "in_progress") return;
    const text = this.#text;
    if (item.type === "message") {
      const logprobs = this.#logprobs;
      const told = logprobs.length === 0 ? {} : { logprobs };
      const part = { type: "output_text", text, annotations: [], ...told };
      const place = { ...this.#place, content_index: 0 };
      yield { type: "response.output_text.done", ...place, text, logprobs };
      yield { type: "response.content_part.done", ...place, part };
      item.content = [part];
    } else {
      item.arguments = text;
      const { name } = item;
      const type = "response.function_call_arguments.done";
      yield { type, ...this.#place, name, arguments: text };
    }
    item.status = status;
    yield {
      type: "response.output_item.done",
      output_index: this.items.length - 1,
      item: { ...item },
    };
  }
}

interface Run {
  request: ResponsesRequest;
  spec: GenerationSpec;
  model: ServedModel;
  routes: RouteContext;
  signal: AbortSignal;
  watch: RequestWatch;
}

function toUsage({ promptTokenCount, completionTokenCount, cachedTokenCount }: GenerationTimings) {
  return {
    input_tokens: promptTokenCount,
    input_tokens_details: { cached_tokens: cachedTokenCount, cache_write_tokens: 0 },
    output_tokens: completionTokenCount,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokenCount + completionTokenCount,
  };
}

/** All events of an answer, in order; the first ones come when the engine has accepted it. */
async function* eventsOf(
  { request, spec, model, routes, signal, watch }: Run,
): AsyncGenerator<Event> {
  const writer = new ItemWriter(model.tokenizer);
  const id = request.requestId === null ? newId("resp") : `resp_${request.requestId}`;
  const head = { id, object: "response", created_at: Math.floor(Date.now() / 1000) };
  const response = (status: string, rest: object) => ({
    response: {
      ...head,
      status,
      error: null,
      incomplete_details: null,
      model: routes.modelId,
      output: writer.items,
      usage: null,
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
      yield { type: `response.${status}`, ...response(status, { incomplete_details, usage }) };
    } else if (piece.type !== "progress") yield* writer.write(piece);
  }
}

/** The events of one answer as numbered frames, also those of a failure. */
class EventFrames {
  #count = 0;
  /** As the last event with it had it. */
  #response: { output: readonly Item[] } | null = null;

  #frame({ type, ...rest }: Event): string {
    const data = JSON.stringify({ type, sequence_number: this.#count++, ...rest });
    return `event: ${type}\ndata: ${data}\n\n`;
  }

  async *frames(events: AsyncGenerator<Event>): AsyncGenerator<string> {
    for await (const event of events) {
      if (event.response) this.#response = event.response;
      yield this.#frame(event);
    }
  }

  /** An `error` event, its fields plain and inside `error`, as clients read either. */
  errorFrames(error: unknown): string {
    const { error: told } = toErrorAnswer(error).body;
    const { code, message, param } = told;
    const frame = this.#frame({ type: "error", code, message, param, error: told });
    if (this.#response === null) return frame;
    const output = this.#response.output.map((item) => {
      return item.status === "in_progress" ? { ...item, status: "incomplete" } : item;
    });
    const response = { ...this.#response, status: "failed", output, error: { code, message } };
    return frame + this.#frame({ type: "response.failed", response });
  }
}

async function toSpec(request: ResponsesRequest, model: ServedModel): Promise<GenerationSpec> {
  const { conversation, structure, maxTokens } = request;
  checkChatLength(model, conversation.messages, "input");
  const limit = { contextLength: model.engine.info.contextLength, param: "input" };
  const { ids } = await fittingIds(renderChat(model, conversation, limit.contextLength), limit);
  const options = { maxTokens, promptCut: null, ...limit };
  const { grammar, param: grammarParam, toolUse } = structure;
  const rest = { echo: null, grammar, grammarParam, readsCalls: toolUse !== null };
  return toSpecs(request, { ...fitLengths(ids, options), ...rest }, model)[0];
}

async function* endWith<T>(source: AsyncGenerator<T>, end: () => void): AsyncGenerator<T> {
  try {
    yield* source;
  } finally {
    end();
  }
}

/** Makes the handler of responses. */
export function responsesRoute(routes: RouteContext): (context: Context) => Promise<Response> {
  return async (context) => {
    const request = parseResponsesRequest(await readJson(context.req));
    checkModelName(routes, request.model);
    const model = readyModel(routes.state);
    const spec = await toSpec(request, model);
    const watch = watchOf(context);
    const clientSignal = context.req.raw.signal;
    const { signal, clientGone, end } = openScope(routes.state, { clientSignal, watch });
    const events = endWith(eventsOf({ request, spec, model, routes, signal, watch }), end);
    if (request.stream) {
      const frames = new EventFrames();
      return await answerSse(frames.frames(events), {
        pingIntervalMs: routes.pingIntervalMs,
        onCancel: clientGone,
        toErrorFrames: (error) => frames.errorFrames(error),
      });
    }
    let last: Event | null = null;
    for await (const event of events) last = event;
    invariant(last !== null, "an answer has a last event");
    return Response.json(last.response);
  };
}
