/**
 * Writes the expanded WGSL of every kernel for some models and adapters, to be read or compiled.
 *
 *     deno task shaders FOLDER
 */

import { ADAPTERS } from "../../tests/support/adapters.ts";
import { kernelTexts, TEXT_MODELS } from "../../tests/support/kernel_texts.ts";

/** Writes each distinct text to `folder`, named by model, adapter and kernel; returns how many. */
export async function dumpShaders(
  folder: string,
  { models, adapters }: { models: readonly string[]; adapters: readonly string[] },
): Promise<number> {
  const written = new Set<string>();
  for (const model of models) {
    for (const adapter of adapters) {
      const options = { model: TEXT_MODELS[model], facts: ADAPTERS[adapter], contextTokens: 8192 };
      const texts = await kernelTexts(options);
      for (const [index, { label, code }] of texts.entries()) {
        if (written.has(code)) continue;
        written.add(code);
        const name = `${model} ${adapter} ${index} ${label}`.replaceAll(/[ /]+/g, "_");
        await Deno.writeTextFile(`${folder}/${name}.wgsl`, code);
      }
    }
  }
  return written.size;
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) throw new TypeError("Cannot write shaders: name a folder for them");
  await Deno.mkdir(folder, { recursive: true });
  const every = { models: Object.keys(TEXT_MODELS), adapters: Object.keys(ADAPTERS) };
  console.log(`${await dumpShaders(folder, every)} texts in ${folder}`);
}
