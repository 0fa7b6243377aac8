/** A model file with the first layers of another: what a layer costs, in a tenth of the time. */

import { type GgufFile, readGguf, readTensorBytes } from "../../src/gguf/read_gguf.ts";
import { type GgufValue, writeGguf } from "../../tests/support/write_gguf.ts";

/** Keys that {@link readGguf} adds to those of a file. */
const ADDED_KEYS = ["version", "tensor_count", "kv_count"];

/** Writes the first `layerCount` layers of the model at `path`, with its head and vocabulary. */
export async function writeFirstLayers(
  path: string,
  { layerCount, target }: { layerCount: number; target: string },
): Promise<void> {
  const file = await readGguf(path);
  const tensors = [...file.tensors.values()].filter(({ name }) => {
    const layer = /^blk\.(\d+)\./.exec(name);
    return layer === null || Number(layer[1]) < layerCount;
  }).map((tensor) => ({ ...tensor, bytes: readTensorBytes(file, tensor) }));
  await writeGguf(target, metadataOf(file, layerCount), tensors);
}

function metadataOf({ metadata }: GgufFile, layerCount: number): Record<string, GgufValue> {
  const entries = Object.entries(metadata.valuesWithout("\0"))
    .filter(([key]) => !ADDED_KEYS.includes(key))
    .map(([key, value]) => [key, key.endsWith(".block_count") ? layerCount : plain(value)]);
  return Object.fromEntries(entries);
}

/** Numbers of 64 bits as those that are written. */
function plain(value: unknown): GgufValue {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as ArrayLike<unknown>, plain) as GgufValue;
  }
  return (typeof value === "bigint" ? Number(value) : value) as GgufValue;
}
