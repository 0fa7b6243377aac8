/**
 * From what a user names to a GGUF file on the disk.
 *
 * @module
 */

import { CATALOGUE, catalogueEntry } from "./catalogue.ts";
import { ensureDefaultModel } from "./default_model.ts";
import { ensureHubModel, parseHubReference } from "./hub_model.ts";
import { ProgressLine } from "./progress.ts";
import { SetupError } from "./setup_error.ts";

/**
 * Finds or fetches a model.
 *
 * @param model A path, a short name (`gemma3:270m`), or a file of the Hugging Face hub
 * (`owner/repo:file.gguf`). Null: the environment's `PACKKV_MODEL`, or else the default model. A
 * path that exists is taken as a path.
 * @returns Path of a file that exists.
 * @throws {SetupError} If it neither exists nor can be fetched.
 */
export async function ensureModel(
  model: string | null,
  progress: ProgressLine = new ProgressLine(),
): Promise<string> {
  const named = model ?? (Deno.env.get("PACKKV_MODEL") || null);
  if (named === null) return await ensureDefaultModel(progress);
  const info = await Deno.stat(named).catch(() => null);
  if (info?.isFile) return named;
  if (info) throw new SetupError(`Cannot use model ${named}: it is no file`);
  const entry = catalogueEntry(named);
  if (entry !== null) return await entry.ensure({ progress });
  const reference = parseHubReference(named);
  if (reference && !/^\.{0,2}\//.test(named)) return await ensureHubModel(reference, { progress });
  const family = CATALOGUE.map(({ name }) => name).filter((name) => {
    return name.startsWith(named.split(":")[0]);
  });
  const hint = family.length === 0
    ? "./packkv models lists short names; a file of the Hugging Face hub is written " +
      "owner/repo:file.gguf"
    : `short names like it: ${family.join(", ")}`;
  throw new SetupError(`Cannot use model ${named}: no such file (${hint})`);
}
