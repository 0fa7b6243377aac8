/**
 * The output items of POST /v1/responses, as events.
 *
 * @module
 */

import type { Tokenizer } from "../../../src/tokenizer/types.ts";
import type { GenerationPiece, ToolCallPiece } from "../generation/pieces.ts";
import { toChatLogprobs } from "../logprob_alignment.ts";
import { nameFields, type PlacedName } from "./namespaces.ts";

/** An output item, as clients read it. */
export type Item = Record<string, unknown> & {
  id: string;
  type: "message" | "function_call" | "reasoning";
};
/** An event, without its number; those of the whole answer hold it. */
export type Event = Record<string, unknown> & {
  type: string;
  response?: { output: readonly Item[] };
};

/** A new id that begins with `prefix`. */
export const newId = (prefix: string) => `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;

type TextPiece = Extract<GenerationPiece, { type: "text" | "reasoning" }>;

/** The output items of one answer, as events. */
export class ItemWriter {
  readonly items: Item[] = [];
  readonly #tokenizer: Tokenizer;
  readonly #seal: ((text: string) => string) | null;
  readonly #places: ReadonlyMap<string, PlacedName>;
  #text = "";
  /** Of the tokens of the text. */
  #logprobs: object[] = [];

  /**
   * @param options `seal` writes thoughts for the client to send back, null for not at all;
   * `places` has what clients call functions of namespaces.
   */
  constructor(
    tokenizer: Tokenizer,
    { seal, places }: {
      seal: ((text: string) => string) | null;
      places: ReadonlyMap<string, PlacedName>;
    },
  ) {
    this.#tokenizer = tokenizer;
    this.#seal = seal;
    this.#places = places;
  }

  get #last(): Item | undefined {
    return this.items.at(-1);
  }

  get #place() {
    return { item_id: this.#last!.id, output_index: this.items.length - 1 };
  }

  *write(piece: TextPiece | ToolCallPiece): Generator<Event> {
    if (piece.type === "reasoning") {
      if (piece.text === "") return;
      if (this.#last?.type !== "reasoning" || this.#last.status !== "in_progress") {
        yield* this.#openReasoning();
      }
      this.#text += piece.text;
      const place = { ...this.#place, content_index: 0 };
      yield { type: "response.reasoning_text.delta", ...place, delta: piece.text };
    } else if (piece.type === "text") {
      if (piece.text === "") return;
      if (this.#last?.type !== "message") yield* this.#openMessage();
      this.#text += piece.text;
      const place = { ...this.#place, content_index: 0 };
      const naming = { tokenizer: this.#tokenizer, byId: false };
      const { content: logprobs } = toChatLogprobs(naming, piece.tokens);
      this.#logprobs.push(...logprobs);
      yield { type: "response.output_text.delta", ...place, delta: piece.text, logprobs };
    } else if (piece.type === "call") {
      yield* this.close("completed");
      yield* this.#open({
        type: "function_call",
        id: newId("fc"),
        call_id: piece.id,
        ...nameFields(piece.name, this.#places),
        arguments: "",
        status: "in_progress",
      });
    } else {
      this.#text += piece.text;
      const { text: delta } = piece;
      yield { type: "response.function_call_arguments.delta", ...this.#place, delta };
    }
  }

  *#openReasoning(): Generator<Event> {
    yield* this.close("completed");
    const empty = { summary: [], content: [], encrypted_content: null, status: "in_progress" };
    yield* this.#open({ type: "reasoning", id: newId("rs"), ...empty });
    const part = { type: "reasoning_text", text: "" };
    yield { type: "response.content_part.added", ...this.#place, content_index: 0, part };
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
      const reported = logprobs.length === 0 ? {} : { logprobs };
      const part = { type: "output_text", text, annotations: [], ...reported };
      const place = { ...this.#place, content_index: 0 };
      yield { type: "response.output_text.done", ...place, text, logprobs };
      yield { type: "response.content_part.done", ...place, part };
      item.content = [part];
    } else if (item.type === "reasoning") {
      const part = { type: "reasoning_text", text };
      const place = { ...this.#place, content_index: 0 };
      yield { type: "response.reasoning_text.done", ...place, text };
      yield { type: "response.content_part.done", ...place, part };
      item.content = [part];
      if (this.#seal) item.encrypted_content = this.#seal(text);
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
