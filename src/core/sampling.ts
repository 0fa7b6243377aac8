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
