/** The server's HTTP surface, as far as the page uses it. Addresses are relative to the page. */

import { Problem, problemOf, problemOfNetwork } from "./problems.mjs";
import { readEvents } from "./sse.mjs";

/**
 * @typedef {{ type: "progress", processed: number, total: number, cached: number, ms: number }
 *   | { type: "text", text: string }
 *   | { type: "usage", usage: Record<string, any> }
 *   | { type: "finish", reason: string, timings: Record<string, number> | null }
 *   | { type: "id", id: string }} AnswerEvent
 */

/** Calls the server with the key the user gave. */
export class Api {
  #key;
  /** Id of the model that is asked; null until it is known. @type {string | null} */
  model = null;

  /** @param {() => string} key The key in force; empty for none. */
  constructor(key) {
    this.#key = key;
  }

  /** @returns {Promise<Response>} An answer of status 200 to 299; anything else is thrown. */
  async #fetch(path, init = {}) {
    const key = this.#key();
    const headers = { ...init.headers, ...(key === "" ? {} : { Authorization: `Bearer ${key}` }) };
    let response;
    try {
      response = await fetch(path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw problemOfNetwork(false);
    }
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    const error = typeof body?.error === "object" && body.error !== null ? body.error : {};
    throw problemOf(response.status, error, response.headers.get("Retry-After"));
  }

  /** The JSON at `path`. */
  async json(path) {
    return await (await this.#fetch(path)).json();
  }

  /** The JSON at `path` about the model that is asked. */
  async jsonOfModel(path) {
    return await this.json(`${path}?model=${encodeURIComponent(this.model ?? "")}`);
  }

  /** The text at `path`. */
  async text(path) {
    return await (await this.#fetch(path)).text();
  }

  /** How many tokens `text` has. */
  async countTokens(text, signal) {
    const body = JSON.stringify({ model: this.model, content: text, parse_special: false });
    const headers = { "Content-Type": "application/json" };
    const response = await this.#fetch("tokenize", { method: "POST", headers, body, signal });
    return (await response.json()).count;
  }

  /**
   * Streams an answer.
   *
   * @param {Record<string, unknown>} request Fields of a chat completion.
   * @param {AbortSignal} signal Ends it; then the iteration throws the signal's reason.
   * @returns {AsyncGenerator<AnswerEvent>}
   * @throws {Problem} What the server or the network said, also in the middle.
   */
  async *chat(request, signal) {
    const streaming = {
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
      return_progress: true,
    };
    const response = await this.#fetch("v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model: this.model, ...request, ...streaming }),
      signal,
    });
    try {
      for await (const data of readEvents(response.body)) {
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw problemOf(0, chunk.error);
        yield* eventsOf(chunk);
      }
    } catch (error) {
      if (error instanceof Problem || signal.aborted) throw error;
      throw problemOfNetwork(true);
    }
    signal.throwIfAborted();
    throw problemOfNetwork(true);
  }
}

/** @returns {Generator<AnswerEvent>} */
function* eventsOf(chunk) {
  if (chunk.id) yield { type: "id", id: chunk.id };
  const progress = chunk.prompt_progress;
  if (progress) {
    const { processed, total, cache: cached = 0, time_ms: ms } = progress;
    yield { type: "progress", processed, total, cached, ms };
  }
  if (chunk.usage) yield { type: "usage", usage: chunk.usage };
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) yield { type: "text", text: choice.delta.content };
  if (choice?.finish_reason) {
    yield { type: "finish", reason: choice.finish_reason, timings: chunk.timings ?? null };
  }
}
