/**
 * Compiles the main kernels of an 8B model to machine code of three GPUs, without one, and writes
 * what they take: registers, spills, memory, waves, and instructions for each multiply-add.
 *
 *     deno task machine-code FILE.json [GPU…]
 *
 * AMD: naga to SPIR-V, then Mesa's RADV without a device. NVIDIA: naga to HLSL, Slang to CUDA,
 * nvcc: another compiler than the driver's before `ptxas`, the same after it. What is missing is
 * fetched or named.
 */

import { ADAPTERS } from "../../tests/support/adapters.ts";
import { type KernelText, kernelTexts, TEXT_MODELS } from "../../tests/support/kernel_texts.ts";
import { findTranslators } from "../kernels/translate_shaders.ts";
import { asDriversDo, withInnerArraysFirst, withPlainInputs } from "./cuda_text.ts";
import { run } from "../support/programs.ts";
import { type AmdProgram, amdProgram, type NvidiaPrograms, nvidiaPrograms } from "./programs.ts";
import { type Loop, readSass } from "./sass.ts";

const MODEL = "8B";
const CONTEXT_TOKENS = 8192;

/** Kernels by what they do; the first text of a label that is there. */
export const KERNELS: Readonly<Record<string, readonly string[]>> = {
  "product of a row, Q4_K": ["matmul add q4k x1"],
  "product of 4 rows, Q4_K": ["matmul add q4k x4"],
  "product of a slice, Q4_K": ["matmul add q4k x64", "matmul add q4k x4"],
  "product of a slice by 32 rows, Q4_K": ["matmul store q4k x32"],
  "product of a slice by 16 rows, Q4_K": ["matmul add q4k x16"],
  "product of a row, Q4_1": ["matmul add q4 x1"],
  "product of a slice, Q4_1": ["matmul add q4 x64", "matmul add q4 x4"],
  "product of a slice of codes, Q4_K": ["matmul of codes store q4k x64"],
  "product of a slice of codes, Q6_K": ["matmul of codes store q6k x64"],
  "product of a slice of codes, Q8_0": ["matmul of codes store q8_0 x64"],
  "product of experts, 4 rows, Q4_K": ["expert_matmul store q4k x4"],
  "product of experts, a slice, Q4_K": [
    "expert_matmul store q4k x16",
    "expert_matmul store q4k x4",
  ],
  "decode attention, banded": ["attention_decode/banded"],
  "decode attention, raw blocks": ["attention_decode/raw arena"],
  "decode attention, paper": ["attention_decode/paper"],
  "decode attention, int8": ["attention_decode/int8"],
  "decode attention, xquant": ["attention_decode/xquant"],
  "decode attention, window": ["attention_decode/raw window", "attention_decode/raw"],
  "prefill attention": ["attention_prefill scratch", "attention_prefill/raw", "attention_prefill"],
  "merge": ["attention_merge"],
  "unpack keys, banded": ["block_unpack/banded K", "block_unpack/banded"],
};

/** GPUs, by the facts that kernels are chosen by, and what RADV calls those of AMD. */
const TARGETS = {
  "gfx1030": { facts: ADAPTERS["AMD RDNA on Vulkan"], family: "navi21" },
  "gfx1100": { facts: ADAPTERS["AMD RDNA on Vulkan"], family: "gfx1100" },
  "sm_89": { facts: ADAPTERS["NVIDIA on Vulkan"], family: null },
} as const;

/** A GPU that machine code is made for. */
export type Target = keyof typeof TARGETS;

/** One kernel on one GPU. */
export interface MachineCode {
  gpu: Target;
  kernel: string;
  label: string;
  /** Vector registers of a lane. */
  registers: number;
  spilledRegisters: number;
  /** Scalar registers kept in vector registers instead; AMD. */
  spilledScalars?: number;
  /** Of local or workgroup memory. */
  memoryBytes: number;
  instructions: number;
  /** On a SIMD at the same time; AMD. */
  waves?: number;
  /** Cycles of the whole kernel if nothing waits, each branch once; AMD. */
  inverseThroughput?: number;
  /** The loop with the most multiply-adds; NVIDIA. */
  loop?: Loop | null;
  /** Instructions of the loop that this one is in, without it; NVIDIA. */
  around?: number;
}

/** Labels and texts of {@link KERNELS} for a GPU. */
export async function chosenTexts(
  gpu: Target,
): Promise<[kernel: string, KernelText][]> {
  const { facts } = TARGETS[gpu];
  const options = { model: TEXT_MODELS[MODEL], facts, contextTokens: CONTEXT_TOKENS };
  const texts = await kernelTexts(options);
  return Object.entries(KERNELS).flatMap(([kernel, labels]) => {
    const found = labels.map((label) => texts.find((text) => text.label === label))
      .find((text) => text !== undefined);
    return found === undefined ? [] : [[kernel, found]];
  });
}

/** Gives naga a text; returns the path of what it writes. */
async function translated(
  naga: string,
  { code, constants }: KernelText,
  path: string,
): Promise<string> {
  await Deno.writeTextFile(`${path}.wgsl`, code);
  const overrides = Object.entries(constants).map(([name, value]) => `${name}=${value}`);
  await run(naga, [
    ...["--capabilities", "all", "--entry-point", "main", "--shader-stage", "compute"],
    ...(code.includes("dot4I8Packed")
      ? ["--spirv-version", "1.6", "--shader-model", "64"]
      : ["--spirv-version", "1.3", "--shader-model", "60"]),
    ...["--index-bounds-check-policy", "Restrict", "--buffer-bounds-check-policy", "Unchecked"],
    ...(overrides.length > 0 ? ["--override", overrides.join(",")] : []),
    ...[`${path}.wgsl`, `${path}.spv`, `${path}.hlsl`],
  ]);
  return path;
}

async function ofAmd(
  { statistics, env }: AmdProgram,
  path: string,
  code: string,
): Promise<Partial<MachineCode>> {
  const uniforms = [...code.matchAll(/@binding\((\d+)\)\s*var<uniform>/g)]
    .reduce((bits, [, binding]) => bits | 1 << Number(binding), 0);
  const { stdout } = await run(statistics, [String(uniforms), `${path}.spv`], { env });
  const values = Object.fromEntries(
    stdout.trim().split("\n").map((line) => line.split("\t")),
  ) as Record<string, string>;
  return {
    registers: Number(values["VGPRs"]),
    spilledRegisters: Number(values["Spilled VGPRs"]),
    spilledScalars: Number(values["Spilled SGPRs"]),
    memoryBytes: Number(values["LDS size"]),
    instructions: Number(values["Instructions"]),
    waves: Number(values["Subgroups per SIMD"]),
    inverseThroughput: Number(values["Inverse Throughput"]),
  };
}

async function ofNvidia(
  { slangc, nvcc, nvdisasm, includes, env }: NvidiaPrograms,
  path: string,
): Promise<Partial<MachineCode>> {
  await Deno.writeTextFile(
    `${path}.hlsl`,
    withInnerArraysFirst(withPlainInputs(await Deno.readTextFile(`${path}.hlsl`))),
  );
  const entry = ["-entry", "main", "-stage", "compute"];
  const toCuda = [`${path}.hlsl`, "-lang", "hlsl", "-target", "cuda", ...entry, "-o"];
  await run(slangc, [...toCuda, `${path}.cu`], { env });
  await Deno.writeTextFile(`${path}.cu`, asDriversDo(await Deno.readTextFile(`${path}.cu`)));
  const { stderr } = await run(nvcc, [
    ...["-arch=sm_89", "-cubin", "-O3", "-w", "-Xptxas", "-v"],
    ...includes.flatMap((include) => ["-I", include]),
    ...["-o", `${path}.cubin`, `${path}.cu`],
  ], { env });
  const used = (pattern: RegExp) => Number(pattern.exec(stderr)?.[1] ?? 0);
  const { stdout } = await run(nvdisasm, ["-c", `${path}.cubin`], { env });
  return {
    registers: used(/Used (\d+) registers/),
    spilledRegisters: used(/(\d+) bytes spill stores/) / 4,
    memoryBytes: used(/(\d+) bytes smem/),
    ...readSass(stdout),
  };
}

/** Compiles every kernel for the GPUs named. */
export async function machineCode(
  folder: string,
  gpus: readonly Target[],
): Promise<MachineCode[]> {
  const { naga } = await findTranslators();
  const all: MachineCode[] = [];
  for (const gpu of gpus) {
    const { family } = TARGETS[gpu];
    const [amd, nvidia] = family ? [await amdProgram(family)] : [null, await nvidiaPrograms()];
    for (const [kernel, text] of await chosenTexts(gpu)) {
      const path = await translated(naga, text, `${folder}/${gpu}-${all.length}`);
      const found = amd ? await ofAmd(amd, path, text.code) : await ofNvidia(nvidia!, path);
      all.push({ gpu, kernel, label: text.label, ...found } as MachineCode);
      console.error(JSON.stringify(all.at(-1)));
    }
  }
  return all;
}

if (import.meta.main) {
  const [file, ...named] = Deno.args;
  if (file === undefined) throw new TypeError("Cannot write machine code: name a JSON file for it");
  const known = Object.keys(TARGETS) as Target[];
  const gpus = known.filter((gpu) => named.length === 0 || named.includes(gpu));
  const unknown = named.filter((gpu) => !known.includes(gpu as Target));
  if (unknown.length > 0) {
    throw new TypeError(`Cannot compile for ${unknown.join(", ")}: known are ${known.join(", ")}`);
  }
  const folder = await Deno.makeTempDir({ prefix: "machine-code-" });
  try {
    const kernels = await machineCode(folder, gpus);
    const record = { model: MODEL, contextTokens: CONTEXT_TOKENS, kernels };
    await Deno.writeTextFile(file, `${JSON.stringify(record, null, 2)}\n`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
