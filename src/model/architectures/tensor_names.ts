/**
 * Names of tensors that architectures share.
 *
 * @module
 */

/** `[width, vocabSize]`. */
export const EMBEDDING_NAME = "token_embd.weight";

/** `[width, vocabSize]`; the embedding is the head of files without it. */
export const HEAD_NAME = "output.weight";

/** F32 `[width]`: norm before the head. */
export const HEAD_NORM_NAME = "output_norm.weight";

/** Optional F32 `[ropeDimension / 2]`: divisors of RoPE's frequencies (Llama 3.1 and later). */
export const ROPE_FACTORS_NAME = "rope_freqs.weight";

/** Name of a tensor of layer `index`. */
export function layerTensor(index: number, part: string, kind: "weight" | "bias" = "weight") {
  return `blk.${index}.${part}.${kind}`;
}
