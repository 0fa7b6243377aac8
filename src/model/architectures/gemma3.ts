import { readCap, readGemma } from "./gemma.ts";
import type { ArchitecturePlan } from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { layerTensor } from "./tensor_names.ts";
import { readWindows } from "./windows.ts";

/**
 * Gemma 3: of six layers five see a window and turn faster; each query and key head is normed
 * before RoPE.
 */
export function readGemma3(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  // Positions are scaled in layers that see everything only.
  const windowRope = {
    ...rope,
    base: reader.positive("rope.freq_base_swa", 10_000),
    positionScale: 1,
    yarn: null,
    magnitude: 1,
  };
  const windows = readWindows(reader, sizes, { period: 6, window: 0 });
  const readNorm = (index: number, part: string) => ({
    tensor: reader.vector(layerTensor(index, part), sizes.headSize),
    over: "head" as const,
  });
  return readGemma(reader, sizes, {
    wideScaleLayerCount: 62,
    softCap: readCap(reader, "final_logit_softcapping", 0),
    attentionOf: (index) => ({
      rope: windows[index] === null ? rope : windowRope,
      window: windows[index],
      queryNorm: readNorm(index, "attn_q_norm"),
      keyNorm: readNorm(index, "attn_k_norm"),
    }),
  });
}
