/**
 * What one generation is asked for.
 *
 * @module
 */

import type { GrammarSpec, LogitAdjustments, SamplingOptions } from "../../../src/engine/types.ts";
import type { ReplayReport } from "../../replay/conversations.ts";
import type { TurnRecorder } from "../../replay/turn_recorder.ts";
import type { TextOptions } from "../text_assembler.ts";

/** What is to be generated, all defaults filled in. */
export interface GenerationSpec extends TextOptions {
  promptIds: readonly number[];
  /** 0 generates nothing. */
  maxTokens: number;
  sampling: SamplingOptions;
  ignoreEos: boolean;
  /** Most tokens of thoughts; null for any number. */
  reasoningTokenCountMax: number | null;
  adjustments: Partial<LogitAdjustments>;
  /** Alternatives to report with each token; null: no log-probabilities at all. */
  logprobs: number | null;
  /** Whether log-probabilities name tokens by their ids. */
  namesById: boolean;
  /** Whether pieces have the ids of the tokens that they came with. */
  returnsIds: boolean;
  /** Text that comes before what is generated, with tokens like it; null for none. */
  echo: string | null;
  /** What the text must be; null for anything. */
  grammar: GrammarSpec | null;
  /** The field it came from. */
  grammarParam: string;
  priority: number;
  cacheSalt: string;
  /** Tokens before the end of each message of the prompt. */
  messageEnds: readonly number[];
  /** Takes the answer as it is sampled; null for nobody. */
  recorder: TurnRecorder | null;
  /** What was done to the conversation; null for a prompt that is none. */
  report: ReplayReport | null;
  /** Whether its blocks are kept before those of others; null leaves them as they are. */
  pins: boolean | null;
  /** Whether the answer is prepared for a next turn that repeats it. */
  isContinued: boolean;
  /** Whether its text is sent as it comes. */
  streams: boolean;
  /** Whether the whole prompt is prefilled, even if it is in the cache. */
  skipsCache: boolean;
  /** Whether guesses of next tokens may be checked. */
  speculates: boolean;
  /** What stays of its prompt; null as the server was started. */
  keep: string | null;
  /** What its answer reads of the context; null as the server was started. */
  read: string | null;
}
