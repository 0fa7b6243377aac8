import { readCap, readGemma } from "./gemma.ts";
import type { ArchitecturePlan } from "./layers.ts";
import type { ModelReader } from "./model_reader.ts";
import { readRope } from "./rope.ts";
import { readSizes } from "./sizes.ts";
import { readWindows } from "./windows.ts";

/** Gemma 2: every other layer sees a window; scores and logits are capped. */
export function readGemma2(reader: ModelReader): ArchitecturePlan {
  const sizes = readSizes(reader);
  const rope = readRope(reader, sizes, "halves");
  const windows = readWindows(reader, sizes, { period: 2, window: 4096 });
  const softCap = readCap(reader, "attn_logit_softcapping", 50);
  return readGemma(reader, sizes, {
    wideScaleLayerCount: 46,
    softCap: readCap(reader, "final_logit_softcapping", 30),
    attentionOf: (index) => ({ rope, window: windows[index], softCap }),
  });
}
