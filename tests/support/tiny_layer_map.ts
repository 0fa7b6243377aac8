import { readGguf } from "../../src/gguf/read_gguf.ts";
import type { SharedLayer } from "../../src/model/shared_layers.ts";
import { modelFingerprint } from "../../src/runtime/fingerprint.ts";
import { type LayerMap, saveLayerMap } from "../../src/runtime/layer_map.ts";

/** Writes a map of a model's layers beside its file, as a search would; its path. */
export async function saveTinyMap(
  modelPath: string,
  pairs: readonly SharedLayer[],
): Promise<string> {
  const file = await readGguf(modelPath);
  const map: LayerMap = {
    version: 1,
    modelFingerprint: modelFingerprint(file),
    layerCount: file.metadata.getNumber("llama.block_count"),
    search: "published",
    textFingerprint: "0".repeat(32),
    layers: pairs.map((pair) => ({ ...pair, cosine: 1, kl: 0 })),
  };
  return await saveLayerMap(map, `${modelPath}.json`);
}
