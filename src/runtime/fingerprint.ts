/**
 * What stands for a model file in the names of its blocks, and says whose a calibration is.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { CalibrationOwner } from "../calibration/store.ts";
import type { ModelShape } from "../core/shapes.ts";
import type { GgufFile } from "../gguf/read_gguf.ts";

/** Places of the file's tensor data that are read, evenly spread; a small file is read whole. */
const SAMPLE_COUNT = 256;
const SAMPLE_SIZE_BYTES = 4096;

/**
 * A hash of the header's values, the table of tensors, the size and a sample of the data: two files
 * that differ in a tensor's type, place or scale, or in a sampled byte, differ in it. Reading all
 * of a large file would take minutes at each start.
 */
export function modelFingerprint(file: GgufFile): string {
  const hash = createHash("sha256");
  const { sizeBytes } = file;
  const header = [sizeBytes, file.metadata.valuesWithout("tokenizer."), [...file.tensors.values()]];
  hash.update(
    JSON.stringify(header, (_, value) => typeof value === "bigint" ? `${value}n` : value),
  );
  const strideBytes = Math.max(SAMPLE_SIZE_BYTES, Math.floor(sizeBytes / SAMPLE_COUNT));
  const sample = new Uint8Array(SAMPLE_SIZE_BYTES);
  for (const part of file.parts) {
    using source = Deno.openSync(part.path);
    for (let start = 0; start < part.sizeBytes; start += strideBytes) {
      source.seekSync(start, Deno.SeekMode.Start);
      const count = source.readSync(sample) ?? 0;
      hash.update(sample.subarray(0, count));
    }
  }
  return hash.digest("hex").slice(0, 32);
}

/** Which model its calibration must belong to. */
export function calibrationOwner(
  { file, shape }: { file: GgufFile; shape: ModelShape },
): CalibrationOwner {
  const { layerCount, kvHeadCount, headSize } = shape;
  const channelCount = kvHeadCount * headSize;
  return { modelFingerprint: modelFingerprint(file), layerCount, kvHeadCount, channelCount };
}
