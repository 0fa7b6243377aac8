/**
 * A conversation in the terminal: what was said, and how answers are made. No input, no output.
 *
 * @module
 */

import type { GenerateRequest, SamplingOptions } from "../../../mod.ts";
import type { ServedModel } from "../../state.ts";

/** What can be changed while chatting. */
export interface ChatSettings {
  system: string;
  /** Null: as many as there is room for. */
  maxTokens: number | null;
  temperature: number;
  topP: number;
  /** Null draws another one for each answer. */
  seed: number | null;
}

interface Turn {
  role: "user" | "assistant";
  content: string;
}

/** A conversation. */
export class ChatSession {
  readonly settings: ChatSettings;
  readonly #model: ServedModel;
  #turns: Turn[] = [];
  #file: { name: string; text: string } | null = null;

  constructor(model: ServedModel, settings: ChatSettings) {
    this.#model = model;
    this.settings = settings;
  }

  /** Tokens of the conversation so far, and how many there can be. */
  get tokenCounts(): { used: number; limit: number } {
    const used = this.#turns.length === 0 ? 0 : this.#promptIds(false).length;
    return { used, limit: this.#model.engine.info.contextLength };
  }

  /** Forgets all that was said; the system message stays. */
  clear(): void {
    this.#turns = [];
    this.#file = null;
  }

  /** Puts a text before the next question. */
  attach(name: string, text: string): void {
    this.#file = { name, text };
  }

  /** Adds a question. */
  ask(text: string): void {
    const file = this.#file;
    const content = file === null
      ? text
      : `File ${file.name}:\n\n${file.text.trimEnd()}\n\n${text}`.trimEnd();
    this.#file = null;
    this.#turns.push({ role: "user", content });
  }

  /** Adds what was answered; nothing if nothing was. */
  hear(text: string): void {
    if (text !== "") this.#turns.push({ role: "assistant", content: text });
  }

  /** Takes the last question back, answer and all; for one that cannot be asked. */
  takeBack(): void {
    this.#dropAnswer();
    this.#turns.pop();
  }

  /** Takes the last answer back. @returns Whether there is a question to answer again. */
  retry(): boolean {
    this.#dropAnswer();
    return this.#turns.length > 0;
  }

  /**
   * The request for the next answer.
   *
   * @returns Null if the conversation leaves no room for one.
   */
  request(signal: AbortSignal): GenerateRequest | null {
    const promptIds = this.#promptIds(true);
    const room = this.#model.engine.info.contextLength - promptIds.length;
    if (room < 1) return null;
    const { maxTokens, temperature, topP, seed } = this.settings;
    const sampling: Partial<SamplingOptions> = {
      temperature,
      topP,
      seed: seed ?? crypto.getRandomValues(new Uint32Array(1))[0],
    };
    return { promptIds, maxTokens: Math.min(maxTokens ?? room, room), sampling, signal };
  }

  #dropAnswer(): void {
    if (this.#turns.at(-1)?.role === "assistant") this.#turns.pop();
  }

  #promptIds(addGenerationPrompt: boolean): number[] {
    const { system } = this.settings;
    const messages = system === ""
      ? this.#turns
      : [{ role: "system", content: system }, ...this.#turns];
    return this.#model.chatTemplate.render(messages, { addGenerationPrompt }).ids;
  }
}
