/**
 * Prompts to token ids, without keeping a thread from other work: long texts, which take up to
 * seconds, are read by a worker with a tokenizer of its own.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { FromPromptWorker, PromptTask, ToPromptWorker } from "./prompt_messages.ts";
import type {
  ChatMessage,
  ChatTemplate,
  RenderedPrompt,
  RenderOptions,
  TokenizeOptions,
  Tokenizer,
} from "./types.ts";

/** Shorter texts take less time than a message to a worker. */
const WORKER_TEXT_LENGTH_MIN = 4096;

/**
 * The merges of larger vocabularies take long to prepare: a thread that must not stop leaves that
 * to its worker.
 */
export const VOCAB_SIZE_HERE_MAX = 2 ** 16;

/** Text, or a conversation, to token ids. */
export interface PromptReader {
  /** As {@link Tokenizer.tokenize}. */
  tokenize(text: string, options: TokenizeOptions): Promise<number[]>;
  /** As {@link ChatTemplate.render}. */
  render(messages: readonly ChatMessage[], options: RenderOptions): Promise<RenderedPrompt>;
  /** Ends its worker, if it has one. */
  close(): void;
}

/** Reads prompts on the calling thread. */
export function directPromptReader(tokenizer: Tokenizer, template: ChatTemplate): PromptReader {
  return {
    // Async, so that a refusal is a rejection as a worker's is.
    // deno-lint-ignore require-await
    async tokenize(text, options) {
      return tokenizer.tokenize(text, options);
    },
    // deno-lint-ignore require-await
    async render(messages, options) {
      return template.render(messages, options);
    },
    close() {},
  };
}

/** Characters of all texts in a value. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + lengthOf(each), 0);
}

/**
 * Reads short prompts on the calling thread and long ones in a worker, one after the other; all of
 * them in the worker if the vocabulary is large.
 */
export class WorkerPromptReader implements PromptReader {
  readonly #direct: PromptReader;
  readonly #readsShortHere: boolean;
  readonly #worker: Worker;
  readonly #waiters = new Map<number, PromiseWithResolvers<RenderedPrompt>>();
  #nextTaskId = 1;
  #failure: Error | null = null;
  /** Characters read since this thread last did other work. */
  #turnLength = 0;

  /**
   * @param modelPath GGUF file that the tokenizer and the template were made from.
   * @param templateSource What the template was made from instead.
   */
  constructor(
    modelPath: string,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    templateSource: string | null = null,
  ) {
    this.#direct = directPromptReader(tokenizer, template);
    this.#readsShortHere = tokenizer.vocabSize <= VOCAB_SIZE_HERE_MAX;
    this.#worker = new Worker(new URL("./prompt_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromPromptWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#failure = new Error(`The tokenizer's worker ended: ${event.message}`);
      for (const { reject } of this.#waiters.values()) reject(this.#failure);
      this.#waiters.clear();
    };
    this.#send({ type: "load", modelPath, templateSource });
  }

  async tokenize(text: string, options: TokenizeOptions): Promise<number[]> {
    if (!this.#isLong(text)) return await this.#direct.tokenize(text, options);
    return (await this.#ask({ type: "tokenize", text, options })).ids;
  }

  async render(messages: readonly ChatMessage[], options: RenderOptions) {
    if (!this.#isLong([messages, options])) return await this.#direct.render(messages, options);
    return await this.#ask({ type: "render", messages, options });
  }

  close(): void {
    this.#send({ type: "close" });
  }

  /** Many short texts at a time take as long as one long text. */
  #isLong(value: unknown): boolean {
    if (!this.#readsShortHere) return true;
    if (this.#turnLength === 0) setTimeout(() => this.#turnLength = 0, 0);
    this.#turnLength += 1 + lengthOf(value);
    return this.#turnLength >= WORKER_TEXT_LENGTH_MIN;
  }

  #ask(task: PromptTask): Promise<RenderedPrompt> {
    if (this.#failure) return Promise.reject(this.#failure);
    const taskId = this.#nextTaskId++;
    const waiter = Promise.withResolvers<RenderedPrompt>();
    this.#waiters.set(taskId, waiter);
    this.#send({ type: "task", taskId, task });
    return waiter.promise;
  }

  #send(message: ToPromptWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(answer: FromPromptWorker): void {
    const waiter = this.#waiters.get(answer.taskId);
    this.#waiters.delete(answer.taskId);
    if ("ids" in answer) {
      const { ids, text, messageEnds } = answer;
      return waiter?.resolve({ ids: Array.from(ids), text, messageEnds });
    }
    const { code, message, param, tokenCount } = answer.failure;
    if (code === null) return waiter?.reject(new Error(message));
    const options = {
      ...(param === null ? {} : { param }),
      ...(tokenCount === null ? {} : { tokenCount }),
    };
    waiter?.reject(new EngineError(code, message, options));
  }
}
