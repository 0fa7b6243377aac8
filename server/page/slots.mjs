/** Which of the server's slots a turn runs in, and what that takes. */

/**
 * The bytes of a turn's sealed blocks, by what `/slots` says.
 *
 * @param {unknown} slots The answer of `/slots`.
 * @param {import("./turn.mjs").Turn} turn
 * @returns {{ rawBytes: number, packedBytes: number } | null} Null if no slot, or more than one,
 * can be this turn's, or nothing of it is sealed yet.
 */
export function bytesOfTurn(slots, turn) {
  if (!Array.isArray(slots)) return null;
  const ours = slots.filter((slot) =>
    slot.is_processing && slot.n_prompt_tokens === turn.promptCount
  );
  const [slot] = ours;
  if (ours.length !== 1 || !(slot.kv_bytes?.raw > 0)) return null;
  return { rawBytes: slot.kv_bytes.raw, packedBytes: slot.kv_bytes.packed };
}
