/** Where tests find the model that `./packkv test` downloads. */

const FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** Path of the default model: `PACKKV_MODEL`, or else the place in the user's cache. */
export function defaultModelPath(): string {
  const chosen = Deno.env.get("PACKKV_MODEL");
  if (chosen !== undefined && chosen !== "") return chosen;
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return `${cache}/packkv/models/${FILE_NAME}`;
}
