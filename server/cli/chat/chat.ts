/**
 * The terminal chat: reads messages, prints answers, until its user leaves.
 *
 * @module
 */

import { EngineError } from "../../../mod.ts";
import { formatMegabytes } from "../../setup/progress.ts";
import type { ServedModel } from "../../state.ts";
import { servedName } from "../load_model.ts";
import { describeFinish, printAnswer, printText } from "../print_answer.ts";
import { isSlashCommand, runSlashCommand } from "./commands.ts";
import { LineReader } from "./line_reader.ts";
import { ChatSession, type ChatSettings } from "./session.ts";

const PROMPT = "> ";

/** Failures of one request: the chat continues after them. */
const PASSING_CODES: readonly string[] = [
  "invalid_request",
  "context_length_exceeded",
  "cache_exhausted",
  "queue_full",
];

/**
 * Runs a chat until `/exit` or Ctrl-D. Ctrl-C never fails the program, also while it gives the
 * device back after the chat: the listener stays.
 */
export async function chat(model: ServedModel, settings: ChatSettings): Promise<void> {
  const terminalChat = new TerminalChat(model, settings);
  Deno.addSignalListener("SIGINT", terminalChat.interrupt);
  await terminalChat.run();
}

class TerminalChat {
  readonly #model: ServedModel;
  readonly #session: ChatSession;
  readonly #reader = new LineReader();
  #answering: AbortController | null = null;
  #isLeaving = false;

  constructor(model: ServedModel, settings: ChatSettings) {
    this.#model = model;
    this.#session = new ChatSession(model, settings);
  }

  /** Ctrl-C: stops the answer, not the program; once it is left, what remains of it. */
  readonly interrupt = (): void => {
    if (this.#isLeaving) Deno.exit(0);
    this.#answering?.abort(new EngineError("aborted", "Generation ended: interrupted"));
  };

  async run(): Promise<void> {
    await this.#converse();
    this.#isLeaving = true;
  }

  async #converse(): Promise<void> {
    say(
      `Chatting with ${
        servedName(this.#model.engine.info.modelPath)
      }. /help shows what else can be said.`,
    );
    for (;;) {
      const text = await this.#reader.read(PROMPT, () => say("\nCtrl-D or /exit leaves."));
      if (text === null) return printText("\n");
      if (text.trim() === "") continue;
      if (isSlashCommand(text)) {
        const outcome = await runSlashCommand(text, {
          session: this.#session,
          say,
          describeCache: () => this.#describeCache(),
        });
        if (outcome === "leave") return;
        if (outcome === "answer") await this.#answer();
        continue;
      }
      this.#session.ask(text);
      await this.#answer();
    }
  }

  async #answer(): Promise<void> {
    const controller = new AbortController();
    this.#answering = controller;
    try {
      const request = this.#session.request(controller.signal);
      if (request === null) return this.#refuse();
      const { text, finish } = await printAnswer(this.#model, request);
      this.#session.hear(text);
      printText("\n");
      say(finish === null ? "stopped" : describeFinish(finish));
    } catch (error) {
      if (!(error instanceof EngineError) || !PASSING_CODES.includes(error.code)) throw error;
      this.#session.takeBack();
      say(error.message);
    } finally {
      this.#answering = null;
    }
  }

  #refuse(): void {
    const { used, limit } = this.#session.tokenCounts;
    this.#session.takeBack();
    say(
      `Cannot answer: the conversation would have ${used} tokens, the model can read ${limit}; ` +
        "ask something shorter, or begin another with /new",
    );
  }

  async #describeCache(): Promise<string> {
    const { cacheBytes: { raw, packed } } = await this.#model.engine.stats();
    if (packed === 0) return "cache        no packed blocks now";
    const ratio = (raw / packed).toFixed(2);
    return `cache        ${formatMegabytes(packed)}, ${formatMegabytes(raw)} as f16 ` +
      `(${ratio} times smaller)`;
  }
}

/** What is not the answer, a shade darker where there are colours. */
function say(text: string): void {
  const isPlain = Deno.noColor || !Deno.stderr.isTerminal();
  console.error(isPlain ? text : `\x1b[2m${text}\x1b[22m`);
}
