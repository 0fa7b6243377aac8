/**
 * One answer of POST /v1/messages as events.
 *
 * @module
 */

import type { FinishReason } from "../../src/engine/types.ts";
import { invariant } from "../../src/core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { generateText } from "../openai/generation/generate_text.ts";
import type { GenerationTimings } from "../openai/generation/observer.ts";
import type { GenerationPiece } from "../openai/generation/pieces.ts";
import type { GenerationSpec } from "../openai/generation/spec.ts";
import type { NamedModel } from "../models/models.ts";
import { parseJson } from "../reading/json_value.ts";
import type { RequestWatch } from "../request_watch.ts";
import type { ServedModel } from "../state.ts";

/** An event; its type is also the name of its frame. */
export type Event = Record<string, unknown> & { type: string };

/** One request in the course of being answered. */
export interface MessageRun {
  spec: GenerationSpec;
  model: NamedModel;
  signal: AbortSignal;
  watch: RequestWatch;
}

/** Stands where the makers of some models sign thoughts; it is not checked when it comes back. */
const SIGNATURE = "unsigned";

/** Tokens of a prompt by what the cache did with them, and tokens of the answer. */
export function toUsage(
  { engine: { info } }: ServedModel,
  spec: Pick<GenerationSpec, "promptIds" | "skipsCache">,
  counts: Pick<
    GenerationTimings,
    "cachedTokenCount" | "completionTokenCount" | "reasoningTokenCount"
  >,
): { usage: object; messageUsage: object } {
  const promptCount = spec.promptIds.length;
  const { cachedTokenCount: read, completionTokenCount } = counts;
  const isKept = info.sharesPrefixes && !spec.skipsCache;
  // What is kept for later prompts are whole blocks.
  const kept = isKept ? promptCount - promptCount % BLOCK_TOKEN_COUNT : 0;
  const created = Math.max(0, kept - read);
  const usage = {
    input_tokens: promptCount - read - created,
    cache_creation_input_tokens: created,
    cache_read_input_tokens: read,
    output_tokens: completionTokenCount,
    output_tokens_details: { thinking_tokens: counts.reasoningTokenCount },
    server_tool_use: null,
  };
  // Whatever a request asks for, blocks are kept until their memory is needed.
  const cache_creation = { ephemeral_5m_input_tokens: created, ephemeral_1h_input_tokens: 0 };
  const rest = { service_tier: "standard", inference_geo: null, speed: null };
  return { usage, messageUsage: { ...usage, cache_creation, ...rest } };
}

/** Calls come from the model itself. */
const DIRECT = { caller: { type: "direct" } };

type Block = Record<string, unknown> & { type: "thinking" | "text" | "tool_use" };

/** The blocks of an answer, as events. */
export class BlockWriter {
  readonly blocks: Block[] = [];
  #isOpen = false;
  #text = "";

  get hasCalls(): boolean {
    return this.blocks.some(({ type }) => type === "tool_use");
  }

  get #index(): number {
    return this.blocks.length - 1;
  }

  *write(piece: Exclude<GenerationPiece, { type: "finish" | "progress" }>): Generator<Event> {
    if (piece.type === "call") {
      yield* this.#open({ type: "tool_use", id: piece.id, name: piece.name, input: {}, ...DIRECT });
    } else if (piece.text === "") return;
    else if (piece.type === "arguments") {
      yield* this.#delta(piece.text, { type: "input_json_delta", partial_json: piece.text });
    } else if (piece.type === "reasoning") {
      if (!this.#isIn("thinking")) {
        yield* this.#open({ type: "thinking", thinking: "", signature: "" });
      }
      yield* this.#delta(piece.text, { type: "thinking_delta", thinking: piece.text });
    } else {
      if (!this.#isIn("text")) yield* this.#open({ type: "text", text: "", citations: null });
      yield* this.#delta(piece.text, { type: "text_delta", text: piece.text });
    }
  }

  #isIn(type: Block["type"]): boolean {
    return this.#isOpen && this.blocks.at(-1)!.type === type;
  }

  *#open(block: Block): Generator<Event> {
    yield* this.close();
    this.blocks.push(block);
    this.#isOpen = true;
    this.#text = "";
    const content_block = { ...block };
    yield { type: "content_block_start", index: this.#index, content_block };
  }

  *#delta(text: string, delta: object): Generator<Event> {
    this.#text += text;
    yield { type: "content_block_delta", index: this.#index, delta };
  }

  /** Ends the block that is open, if one is. */
  *close(): Generator<Event> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const block = this.blocks.at(-1)!;
    if (block.type === "thinking") {
      block.thinking = this.#text;
      block.signature = SIGNATURE;
      const delta = { type: "signature_delta", signature: SIGNATURE };
      yield { type: "content_block_delta", index: this.#index, delta };
    } else if (block.type === "text") block.text = this.#text;
    // Arguments that a limit cuts are no object.
    else block.input = parseJson(this.#text) ?? {};
    yield { type: "content_block_stop", index: this.#index };
  }
}

function stopOf(
  finish: { reason: FinishReason; stopString: string | null },
  hasCalls: boolean,
  isContextFull: boolean,
): { stop_reason: string; stop_sequence: string | null } {
  const { reason, stopString } = finish;
  if (reason === "length") {
    const stop_reason = isContextFull ? "model_context_window_exceeded" : "max_tokens";
    return { stop_reason, stop_sequence: null };
  }
  if (stopString !== null) return { stop_reason: "stop_sequence", stop_sequence: stopString };
  return { stop_reason: hasCalls ? "tool_use" : "end_turn", stop_sequence: null };
}

/**
 * All events of an answer, in order; the first comes when the engine has accepted it.
 *
 * @returns The whole message.
 */
export async function* eventsOf(
  { spec, model, signal, watch }: MessageRun,
): AsyncGenerator<Event, object> {
  const writer = new BlockWriter();
  const message = {
    id: `msg_${crypto.randomUUID().replaceAll("-", "")}`,
    type: "message",
    role: "assistant",
    model: model.id,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
  };
  let hasBegun = false;
  for await (const piece of generateText(spec, { model, signal, observer: watch })) {
    if (!hasBegun) {
      hasBegun = true;
      const cachedTokenCount = piece.type === "progress" ? piece.cachedTokenCount : 0;
      const counts = { cachedTokenCount, completionTokenCount: 0, reasoningTokenCount: 0 };
      const { messageUsage: usage } = toUsage(model, spec, counts);
      yield { type: "message_start", message: { ...message, usage } };
    }
    if (piece.type === "finish") {
      yield* writer.close();
      const { usage, messageUsage } = toUsage(model, spec, piece.timings);
      const length = spec.promptIds.length + piece.timings.completionTokenCount;
      const isContextFull = length >= model.engine.info.contextLength;
      const delta = stopOf(piece, writer.hasCalls, isContextFull);
      const nothing = { stop_details: null, container: null };
      yield { type: "message_delta", delta: { ...delta, ...nothing }, usage };
      yield { type: "message_stop" };
      return { ...message, content: writer.blocks, ...delta, usage: messageUsage };
    } else if (piece.type !== "progress") yield* writer.write(piece);
  }
  invariant(false, "a generation ends with a finish piece");
}
