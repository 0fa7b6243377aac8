/** What adapters say of themselves, as the runtime passes it on; where known, from the field. */

import type { AdapterFacts } from "../../src/gpu/gpu.ts";

const MIB = 2 ** 20;

const GPU: AdapterFacts = {
  name: "",
  driver: "",
  webgpu: "deno",
  isFallback: false,
  subgroupSizeMin: 32,
  subgroupSizeMax: 32,
  subgroupLanes: 32,
  hasTeams: true,
  roundsToEven: true,
  halfRounding: "to even",
  hasF16: true,
  hasDot4: true,
  hasTimestamps: true,
  checksUniformity: false,
  workgroupMemoryBytesMax: 32 * 1024,
  workgroupSizeMax: 1024,
  bindingSizeMax: 2 ** 31 - 4,
  bufferSizeMax: 2 ** 31 - 4,
  tuned: {},
};

const BY_NAME: Readonly<Record<string, AdapterFacts>> = {
  "NVIDIA on Vulkan": { ...GPU, workgroupMemoryBytesMax: 48 * 1024 },
  "AMD RDNA on Vulkan": { ...GPU, subgroupSizeMax: 64 },
  "AMD GCN on Vulkan": { ...GPU, subgroupSizeMin: 64, subgroupSizeMax: 64 },
  "Intel on Vulkan": { ...GPU, subgroupSizeMin: 8, subgroupLanes: 8 },
  "Apple on Metal": { ...GPU, subgroupSizeMin: 4, subgroupSizeMax: 64 },
  "DX12": { ...GPU, subgroupSizeMin: 0, subgroupSizeMax: 0, subgroupLanes: 0, hasTeams: false },
  "software Vulkan": {
    ...GPU,
    isFallback: true,
    subgroupSizeMin: 8,
    subgroupSizeMax: 8,
    subgroupLanes: 8,
    bindingSizeMax: 128 * MIB,
  },
  "software Vulkan of 4 lanes": {
    ...GPU,
    isFallback: true,
    subgroupSizeMin: 4,
    subgroupSizeMax: 4,
    subgroupLanes: 0,
    hasTeams: false,
    workgroupSizeMax: 256,
  },
  "the least that WebGPU allows": {
    ...GPU,
    subgroupSizeMin: 0,
    subgroupSizeMax: 0,
    subgroupLanes: 0,
    hasTeams: false,
    workgroupMemoryBytesMax: 16 * 1024,
    workgroupSizeMax: 256,
    bindingSizeMax: 128 * MIB,
    bufferSizeMax: 256 * MIB,
  },
};

/** Adapters by name. */
export const ADAPTERS: Readonly<Record<string, AdapterFacts>> = Object.fromEntries(
  Object.entries(BY_NAME).map(([name, facts]) => [name, { ...facts, name }]),
);
