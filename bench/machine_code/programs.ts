/**
 * The compilers that turn a kernel's text into machine code of GPUs, without a GPU.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { run } from "../support/programs.ts";

const CACHE = fileURLToPath(new URL("../../.cache/machine-code", import.meta.url));
const STATISTICS_SOURCE = fileURLToPath(new URL("./pipeline_statistics.c", import.meta.url));
const RADV_PATH = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";

/** From HLSL to CUDA, then to machine code and back to its text. */
const PIP_PACKAGES = [
  "slangtorch==1.3.22",
  "nvidia-cuda-nvcc==13.5.37",
  "nvidia-cuda-crt==13.5.37",
  "nvidia-nvvm==13.5.37",
  "nvidia-cuda-runtime==13.5.37",
  "nvidia-cuda-cccl==13.3.5.0.6",
  "nvidia-cuda-nvdisasm==13.5.37",
];

/** The programs for NVIDIA, fetched with pip where they are missing. */
export interface NvidiaPrograms {
  slangc: string;
  nvcc: string;
  nvdisasm: string;
  includes: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Finds or fetches them (about 400 MB). */
export async function nvidiaPrograms(): Promise<NvidiaPrograms> {
  const site = `${CACHE}/site`;
  const cuda = `${site}/nvidia/cu13`;
  const programs: NvidiaPrograms = {
    slangc: `${site}/slangtorch/bin/slangc`,
    nvcc: `${cuda}/bin/nvcc`,
    nvdisasm: `${cuda}/bin/nvdisasm`,
    includes: [`${cuda}/include`, `${cuda}/include/cccl`],
    env: {
      LD_LIBRARY_PATH: [`${cuda}/lib`, `${site}/slangtorch/lib`, `${site}/slangtorch/bin`].join(
        ":",
      ),
      PATH: `${cuda}/bin:${Deno.env.get("PATH")}`,
    },
  };
  const { slangc, nvcc, nvdisasm } = programs;
  const paths = [slangc, nvcc, nvdisasm];
  const isThere = await Promise.all(paths.map((path) => Deno.stat(path).catch(() => null)));
  if (isThere.includes(null)) {
    console.error(`fetching ${PIP_PACKAGES.join(" ")}`);
    await run("pip", ["install", "--quiet", "--no-deps", "--target", site, ...PIP_PACKAGES]);
  }
  return programs;
}

/** The program of `pipeline_statistics.c`, and the environment of Mesa's RADV. */
export interface AmdProgram {
  statistics: string;
  env: Readonly<Record<string, string>>;
}

/** Compiles it, for a family of GPUs such as gfx1100. */
export async function amdProgram(family: string): Promise<AmdProgram> {
  const statistics = `${CACHE}/pipeline_statistics`;
  await Deno.mkdir(CACHE, { recursive: true });
  await run("cc", ["-O1", "-o", statistics, STATISTICS_SOURCE, "-lvulkan"]).catch((cause) => {
    const message = "Cannot compile pipeline_statistics.c: apt-get install gcc libvulkan-dev";
    throw new Error(message, { cause });
  });
  const env = { VK_ICD_FILENAMES: RADV_PATH, RADV_FORCE_FAMILY: family };
  return { statistics, env };
}
