/**
 * Translates the WGSL of every kernel to SPIR-V, MSL and HLSL by the compiler that the runtime has
 * in it, and validates the SPIR-V: what drivers are given on Vulkan, Metal and DX12.
 *
 *     deno task translate
 *
 * Takes `naga` and `spirv-val` from the path, or `naga` from `.cache/naga`, where Cargo builds it
 * when it is missing: minutes, once.
 */

import { ADAPTERS } from "../../tests/support/adapters.ts";
import { type KernelText, kernelTexts, TEXT_MODELS } from "../../tests/support/kernel_texts.ts";

/** The version in Deno 2.9. */
const NAGA_VERSION = "29.0.4";
const NAGA_ROOT = new URL("../../.cache/naga", import.meta.url).pathname;

/** SPIR-V has named structures of buffers from 1.3 on; HLSL has subgroups from shader model 6. */
const NAGA_ARGS = [
  ...["--capabilities", "all", "--entry-point", "main"],
  ...["--spirv-version", "1.3", "--metal-version", "3.0", "--shader-model", "60"],
];

/** The programs, by path or name. */
export interface Translators {
  naga: string;
  spirvVal: string;
}

/** What was wrong with a text. */
export interface TranslationFault {
  label: string;
  step: "naga" | "spirv-val";
  message: string;
}

/** Every distinct text of some models and adapters. */
export async function distinctTexts(
  { models, adapters }: { models: readonly string[]; adapters: readonly string[] },
): Promise<KernelText[]> {
  const byText = new Map<string, KernelText>();
  for (const model of models) {
    for (const adapter of adapters) {
      const options = { model: TEXT_MODELS[model], facts: ADAPTERS[adapter], contextTokens: 8192 };
      for (const text of await kernelTexts(options)) {
        const label = `${text.label} of ${model} on ${adapter}`;
        const key = JSON.stringify([text.code, Object.keys(text.constants)]);
        if (!byText.has(key)) byText.set(key, { ...text, label });
      }
    }
  }
  return [...byText.values()];
}

/** Translates one text in a folder of its own; null if nothing is wrong. */
export async function translate(
  { label, code, constants }: KernelText,
  { naga, spirvVal }: Translators,
  folder: string,
): Promise<TranslationFault | null> {
  const [wgsl, spirv, ...others] = ["wgsl", "spv", "metal", "hlsl"].map((extension) =>
    `${folder}/text.${extension}`
  );
  await Deno.writeTextFile(wgsl, code);
  const overrides = Object.entries(constants).map(([name, value]) => `${name}=${value}`);
  const override = overrides.length > 0 ? ["--override", overrides.join(",")] : [];
  const translated = await run(naga, [...NAGA_ARGS, ...override, wgsl, spirv, ...others]);
  if (translated !== null) return { label, step: "naga", message: translated };
  const validated = await run(spirvVal, ["--target-env", "vulkan1.3", spirv]);
  return validated === null ? null : { label, step: "spirv-val", message: validated };
}

/** What a program printed if it failed, null if it did not. */
async function run(program: string, args: string[]): Promise<string | null> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (success) return null;
  return [stderr, stdout].map((bytes) => new TextDecoder().decode(bytes)).join("").trim();
}

/** `naga` of the version in the runtime, built where it is missing, and `spirv-val`. */
export async function findTranslators(): Promise<Translators> {
  if (!await runs("spirv-val")) {
    throw new Error("Cannot validate SPIR-V without spirv-val: apt-get install spirv-tools");
  }
  const built = `${NAGA_ROOT}/bin/naga`;
  for (const naga of ["naga", built]) {
    if (await runs(naga, NAGA_VERSION)) return { naga, spirvVal: "spirv-val" };
  }
  console.error(`building naga ${NAGA_VERSION} in ${NAGA_ROOT}`);
  const args = ["install", "naga-cli", "--version", NAGA_VERSION, "--locked", "--root", NAGA_ROOT];
  const { success } = await new Deno.Command("cargo", { args }).spawn().status;
  if (!success) throw new Error("Cannot build naga: Cargo failed");
  return { naga: built, spirvVal: "spirv-val" };
}

async function runs(program: string, version = ""): Promise<boolean> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
    return success && new TextDecoder().decode(stdout).includes(version);
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const translators = await findTranslators();
  const every = { models: Object.keys(TEXT_MODELS), adapters: Object.keys(ADAPTERS) };
  const texts = await distinctTexts(every);
  const folder = await Deno.makeTempDir();
  const faults: TranslationFault[] = [];
  for (const text of texts) {
    const fault = await translate(text, translators, folder);
    if (fault !== null) faults.push(fault);
  }
  await Deno.remove(folder, { recursive: true });
  for (const { label, step, message } of faults) console.error(`${step}: ${label}\n${message}\n`);
  console.log(`${texts.length} texts to SPIR-V, MSL and HLSL: ${faults.length} faults`);
  Deno.exit(faults.length > 0 ? 1 : 0);
}
