/** Which of the server's slots a turn runs in, and what that takes. */

/**
 * The bytes of a turn's sealed blocks, by what `/slots` says.
 *
 * @param {unknown} slots The answer of `/slots`.
 * @param {import("./turn.mjs").Turn} turn
 * @returns {{ rawBytes: number, packedBytes: number, kept: string | null } | null} Null if no
 * slot, or more than one, can be this turn's, or nothing of it is sealed yet.
 */
export function bytesOfTurn(slots, turn) {
  if (!Array.isArray(slots)) return null;
  const ours = slots.filter((slot) =>
    slot.is_processing && slot.n_prompt_tokens === turn.promptCount
  );
  const [slot] = ours;
  if (ours.length !== 1 || !(slot.kv_bytes?.raw > 0)) return null;
  const kept = slot.kept ? keptWords(slot.kept) : null;
  return { rawBytes: slot.kv_bytes.raw, packedBytes: slot.kv_bytes.packed, kept };
}

/** What stayed of a prompt: fewest and most tokens of its layers, and channels if some went. */
function keptWords({ sealed_tokens: sealed, layers }) {
  const counts = layers.map(({ tokens }) => tokens).filter((count) => count > 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const tokens = `${least === most ? least : `${least} to ${most}`} of ${sealed} tokens`;
  const channels = Math.max(...layers.map((layer) => layer.key_channels ?? 0));
  return channels > 0 ? `${tokens}, ${channels} channels of K` : tokens;
}
