/**
 * How the server keeps conversations from being read twice, beside the cache of prefixes: a client
 * sends the whole conversation with each turn, and never quite as it was. What was sampled takes
 * the place of what the client made of it, and lines that change with each request leave the
 * beginning of the prompt. src/decisions/36 has the reasons.
 *
 * @module
 */

import type { Message } from "../openai/past_messages.ts";
import { canonicalCalls, canonicalText, chainOf, hashOf, textOf } from "./canonical.ts";
import { takeChangingLines } from "./changing_lines.ts";
import { type SampledTurn, TurnMemory, type TurnStore } from "./turn_memory.ts";
import { TurnRecorder } from "./turn_recorder.ts";

/** What is done; all of it if left out. */
export interface ConversationOptions {
  /** Answers are read again as prompts are, so that the next turn finds them in the cache. */
  rereads?: boolean;
  /** Answers that a client sends back are replaced by the tokens that were sampled. */
  replays?: boolean;
  /** Lines that clients change with each request are placed behind the newest message. */
  placesLines?: boolean;
  /** Most bytes of sampled answers that are kept; 64 MiB if left out. */
  memorySizeBytes?: number;
  /** Where they outlive the process. */
  store?: TurnStore | null;
  /** Stands for the model: tokens of another one are of no use. */
  modelKey?: string;
}

/** What was done to a conversation. */
export interface ReplayReport {
  /** Earlier answers that stand in the prompt as they were sampled. */
  replayedCount: number;
  /** Forms of lines that were taken out of the beginning of the prompt. */
  lineForms: readonly string[];
}

/** A conversation as the model is to read it. */
export interface PreparedConversation {
  messages: readonly Message[];
  report: ReplayReport;
  /** Takes the answer to it as it is sampled. */
  recorder: TurnRecorder;
}

const MEMORY_SIZE_BYTES = 64 * 2 ** 20;

/** The conversations of one model. */
export class Conversations {
  /** Whether answers are read again for the next turn. */
  readonly rereads: boolean;
  readonly #replays: boolean;
  readonly #placesLines: boolean;
  readonly #memory: TurnMemory;
  readonly #modelKey: string;

  constructor(options: ConversationOptions = {}) {
    const { rereads = true, replays = true, placesLines = true, modelKey = "" } = options;
    const { memorySizeBytes: sizeBytesMax = MEMORY_SIZE_BYTES, store = null } = options;
    this.rereads = rereads;
    this.#replays = replays;
    this.#placesLines = placesLines;
    this.#modelKey = modelKey;
    this.#memory = new TurnMemory({ sizeBytesMax, store });
  }

  /**
   * Prepares the messages of a request.
   *
   * @param salt Conversations of one salt only share answers.
   */
  prepare(messages: readonly Message[], salt: string): PreparedConversation {
    const clean = this.#placesLines
      ? takeChangingLines(messages)
      : { messages: [...messages], lines: [], names: [] };
    const root = hashOf(this.#modelKey, salt);
    const chain = chainOf(root, clean.messages);
    const placed = this.#place(clean, chain);
    const replayed = placed.map((message, index) =>
      this.#replay(message, { root, before: chain[index - 1] ?? root })
    );
    const replayedCount = replayed.filter(({ sampledIds }) => sampledIds !== undefined).length;
    return {
      messages: replayed,
      report: { replayedCount, lineForms: clean.names },
      recorder: new TurnRecorder((turn, callIds) => {
        if (!this.#replays) return;
        const { text, calls } = turn;
        const keys = callIds.map((id) => callKey(root, id));
        for (const key of [...keys, placeKey(chain.at(-1) ?? root, text, calls)]) {
          this.#memory.keep(key, { turn });
        }
      }),
    };
  }

  /** Puts lines behind the newest message if they changed, and those of before where they were. */
  #place(
    { messages, lines }: { messages: readonly Message[]; lines: readonly string[] },
    chain: readonly string[],
  ): Message[] {
    if (!this.#placesLines) return [...messages];
    const isSaid = ({ role }: Message) => role === "user" || role === "tool";
    const newest = messages.findLastIndex(isSaid);
    let last = "";
    return messages.map((message, index) => {
      if (!isSaid(message)) return message;
      const key = hashOf("lines", chain[index]);
      const known = this.#memory.find(key);
      let text = known && "lines" in known ? known.lines : "";
      if (index === newest && lines.length > 0) {
        const now = lines.join("\n");
        text = now === last ? "" : now;
        if (text !== "") this.#memory.keep(key, { lines: text });
      }
      if (text === "") return message;
      last = text;
      return { ...message, content: `${textOf(message)}\n\n${text}` };
    });
  }

  #replay(message: Message, place: { root: string; before: string }): Message {
    if (!this.#replays || message.role !== "assistant") return message;
    const turn = this.#find(message, place);
    return turn === null ? message : { ...message, sampledIds: turn.ids };
  }

  /** The answer that a message stands for, by its calls or its place; null if none is known. */
  #find(message: Message, { root, before }: { root: string; before: string }): SampledTurn | null {
    const { calls = [], reasoning } = message;
    const text = hashOf(canonicalText(textOf(message)));
    const written = hashOf(canonicalCalls(calls));
    const keys = [...calls.map(({ id }) => callKey(root, id)), placeKey(before, text, written)];
    for (const key of keys) {
      const kept = this.#memory.find(key);
      if (kept === undefined || !("turn" in kept)) continue;
      const { turn } = kept;
      // Some clients leave out what was said beside calls.
      const isSaid = turn.text === text || (calls.length > 0 && textOf(message).trim() === "");
      const isThought = !reasoning || turn.thoughts === hashOf(canonicalText(reasoning));
      if (isSaid && isThought && turn.calls === written) return turn;
    }
    return null;
  }
}

function callKey(root: string, id: string): string {
  return hashOf("call", root, id);
}

function placeKey(before: string, text: string, calls: string): string {
  return hashOf("place", before, text, calls);
}
