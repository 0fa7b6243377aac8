/**
 * Renders conversations with the template of the GGUF file.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { GgufMetadata } from "../gguf/metadata.ts";
import { JinjaTemplate } from "./jinja/template.ts";
import { readId } from "./special_ids.ts";
import {
  type Opening,
  openingOf,
  splitAtTurns,
  textBeforeTurn,
  turnMark,
} from "./sampled_turns.ts";
import { SpecialTokens } from "./special_tokens.ts";
import { TextMask, unusedMark } from "./text_mask.ts";
import type {
  ChatMessage,
  ChatTemplate,
  RenderedPrompt,
  RenderOptions,
  Tokenizer,
} from "./types.ts";
import { withBos } from "./with_bos.ts";

const TEMPLATE_KEY = "tokenizer.chat_template";

/** Sets of variables whose openings are kept. */
const OPENING_COUNT_MAX = 100;

/**
 * Makes the chat template of a model. A file without a template, or with one that cannot be parsed,
 * gives one that refuses every conversation and says why: completions still work.
 *
 * @param metadata The GGUF file's metadata, with `tokenizer.chat_template` and special ids.
 * @param tokenizer The tokenizer made from the same metadata.
 * @param given A template in place of the file's own.
 */
export function createChatTemplate(
  metadata: GgufMetadata,
  tokenizer: Tokenizer,
  given: string | null = null,
): ChatTemplate {
  const source = given ?? metadata.getString(TEMPLATE_KEY, null);
  if (source === null) {
    return new RefusingTemplate("the model file has no chat template; --chat-template gives one");
  }
  try {
    return new JinjaChatTemplate(source, tokenizer, eosIdOf(metadata, tokenizer));
  } catch (error) {
    return new RefusingTemplate(`its template cannot be parsed (${messageOf(error)})`);
  }
}

function eosIdOf(metadata: GgufMetadata, { vocabSize }: Tokenizer): number | null {
  return readId(metadata, "eos_token_id", vocabSize);
}

class RefusingTemplate implements ChatTemplate {
  readonly source = "";
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  reads(): boolean {
    return false;
  }

  render(): never {
    throw refusal(`Cannot use chat messages with this model: ${this.#reason}`);
  }
}

class JinjaChatTemplate implements ChatTemplate {
  readonly source: string;
  readonly #template: JinjaTemplate;
  readonly #tokenizer: Tokenizer;
  readonly #controls: SpecialTokens;
  readonly #bosText: string;
  /** What is written where an answer is asked for, by the variables. */
  readonly #openings = new Map<string, Opening | null>();
  readonly #eosText: string;

  constructor(source: string, tokenizer: Tokenizer, eosId: number | null) {
    this.source = source;
    this.#template = new JinjaTemplate(source);
    this.#tokenizer = tokenizer;
    this.#controls = new SpecialTokens(controlIds(tokenizer));
    const textOf = (id: number | null) => id === null ? "" : tokenizer.detokenize([id]);
    this.#bosText = textOf(tokenizer.bosId);
    this.#eosText = textOf(eosId);
  }

  reads(name: string): boolean {
    return new RegExp(`\\b${RegExp.escape(name)}\\b`).test(this.source);
  }

  render(messages: readonly ChatMessage[], options: RenderOptions): RenderedPrompt {
    const { tools, variables = {}, continuesFinal = false } = options;
    const sampled = messages.flatMap(({ sampledIds }) => sampledIds ? [sampledIds] : []);
    const turns = unusedMark(JSON.stringify([messages, variables, tools]) + this.source);
    let turnIndex = 0;
    const plain = messages.map(({ extra, sampledIds, ...message }) => {
      if (sampledIds) return { role: message.role, content: turnMark(turns, turnIndex++) };
      return { ...extra, ...message, content: contentText(message) };
    });
    const input = { ...variables, messages: plain, tools };
    const end = unusedMark(JSON.stringify(input) + this.source);
    if (continuesFinal) plain.at(-1)!.content += end;
    const mask = new TextMask(this.#controls, JSON.stringify(input) + this.source);
    const rendered = this.#run(mask, {
      ...mask.hide(input) as typeof input,
      add_generation_prompt: options.addGenerationPrompt,
      bos_token: this.#bosText,
      eos_token: this.#eosText,
    });
    const prompt = continuesFinal ? before(rendered, end) : rendered;
    if (sampled.length === 0) {
      return { ...this.#tokenize([prompt], mask, options), text: mask.show(prompt) };
    }
    const pieces = splitAtTurns(prompt, turns, sampled.length);
    const opening = this.#opening(variables);
    const parts = pieces?.flatMap((piece, index) => {
      if (index === sampled.length) return [piece];
      const before = opening && textBeforeTurn(piece, opening);
      return before == null ? [] : [before, sampled[index]];
    });
    if (parts?.length !== 2 * sampled.length + 1) {
      throw refusal("Cannot render messages: the template has no place for sampled answers");
    }
    const text = parts.map((part) =>
      typeof part === "string" ? mask.show(part) : this.#tokenizer.detokenize(part)
    );
    return { ...this.#tokenize(parts, mask, options), text: text.join("") };
  }

  /** What the template writes where an answer is asked for; null if that is nothing apart. */
  #opening(variables: Readonly<Record<string, unknown>>): Opening | null {
    const key = JSON.stringify(variables);
    const known = this.#openings.get(key);
    if (known !== undefined) return known;
    const given = {
      ...variables,
      messages: [{ role: "user", content: "x" }],
      bos_token: this.#bosText,
      eos_token: this.#eosText,
    };
    const asking = this.#template.render({ ...given, add_generation_prompt: true });
    const ended = this.#template.render({ ...given, add_generation_prompt: false });
    const opening = openingOf(asking, ended);
    // Variables come from requests.
    if (this.#openings.size >= OPENING_COUNT_MAX) this.#openings.clear();
    this.#openings.set(key, opening);
    return opening;
  }

  #run(mask: TextMask, variables: Record<string, unknown>): string {
    try {
      return this.#template.render(variables);
    } catch (error) {
      throw refusal(`Cannot render messages: ${mask.show(messageOf(error))}`, error);
    }
  }

  /** Control tokens of the template become ids; what was hidden in the texts between them, text. */
  #tokenize(
    parts: readonly (string | readonly number[])[],
    mask: TextMask,
    { tokenCountMax = Infinity }: RenderOptions,
  ): Pick<RenderedPrompt, "ids" | "messageEnds"> {
    const ids: number[] = [];
    const messageEnds: number[] = [];
    const pieces = parts.flatMap((part): (string | number | { sampled: readonly number[] })[] =>
      typeof part === "string" ? this.#controls.split(part) : [{ sampled: part }]
    );
    for (const piece of pieces) {
      if (typeof piece === "object") {
        for (const id of piece.sampled) ids.push(id);
        continue;
      }
      if (typeof piece === "number") {
        messageEnds.push(ids.length);
        ids.push(piece);
        continue;
      }
      const textIds = this.#tokenizer.tokenize(mask.show(piece), {
        parseSpecial: false,
        after: ids.at(-1) ?? null,
        tokenCountMax: Math.max(0, tokenCountMax - ids.length),
      });
      for (const id of textIds) ids.push(id);
    }
    const whole = withBos(this.#tokenizer, ids);
    const addedCount = whole.length - ids.length;
    return { ids: whole, messageEnds: messageEnds.map((end) => end + addedCount) };
  }
}

/** Ids of all control tokens, by their text. */
function controlIds(tokenizer: Tokenizer): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (tokenizer.isControl(id)) ids.set(tokenizer.detokenize([id]), id);
  }
  return ids;
}

/** The text of a message; parts are joined by line feeds. */
function contentText(message: ChatMessage): string {
  const { content } = message;
  if (typeof content === "string") return content;
  const texts = content.map((part) => {
    if (part.type === "text") return part.text;
    throw refusal(`Cannot render messages: a content part has type "${part.type}", not text`);
  });
  return texts.join("\n");
}

/** What was rendered, up to the mark at the end of the last message's text. */
function before(rendered: string, end: string): string {
  const at = rendered.lastIndexOf(end);
  if (at >= 0) return rendered.slice(0, at).replaceAll(end, "");
  throw refusal("Cannot continue the final message: the template leaves its text out");
}

function refusal(message: string, cause?: unknown): EngineError {
  return new EngineError("invalid_request", message, { param: "messages", cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
