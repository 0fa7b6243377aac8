/**
 * How the next token is chosen. Applied on the GPU in the order temperature, top-k, top-p, min-p;
 * each ranks by logit, then by lowest id.
 */
export interface SamplingOptions {
  /** 0 is greedy; otherwise logits are divided by it. Range 0 to 100. */
  temperature: number;
  /** Keep the `topK` most likely tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set whose probability reaches `topP`; 1 keeps all. Range (0, 1]. */
  topP: number;
  /** Drop tokens less likely than `minP` times the most likely one; 0 drops none. Range [0, 1]. */
  minP: number;
  /** Seed of this request's random numbers, u32. Same seed, same request, same text. */
  seed: number;
}

/** The settings that always take the most likely token. */
export const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };

/** Changes of the logits before a token is chosen from them, in this order. */
export interface LogitAdjustments {
  /**
   * Logits of tokens of the prompt and of the answer are divided by it if positive, else
   * multiplied; 1 changes nothing. Range (0, 10].
   */
  repetitionPenalty: number;
  /** Subtracted from the logit of a token for each time it was generated. Range -2 to 2. */
  frequencyPenalty: number;
  /** Subtracted once from the logit of a token that was generated. Range -2 to 2. */
  presencePenalty: number;
  /** Token ids and what is added to their logits, -100 to 100; {@link BIAS_COUNT_MAX} at most. */
  logitBias: readonly (readonly [id: number, bias: number])[];
}

/** Most entries of {@link LogitAdjustments.logitBias}. */
export const BIAS_COUNT_MAX = 1024;

/** Most alternatives that are reported with a token. */
export const TOP_LOGPROB_COUNT_MAX = 20;

/** A token and its log-probability, natural, of the model's own logits before any change. */
export interface TokenLogprob {
  /** The token. */
  id: number;
  /** At most 0. */
  logprob: number;
}

/** Log-probabilities at one place in a text. */
export interface TokenLogprobs extends TokenLogprob {
  /** The most likely tokens of that place, best first; as many as were asked for. */
  top: readonly TokenLogprob[];
}

/** Whether the penalties of `adjustments` need to know which tokens occurred. */
export function needsCounts(adjustments: LogitAdjustments): boolean {
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = adjustments;
  return repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
}
