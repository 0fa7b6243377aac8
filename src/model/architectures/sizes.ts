import { HEAD_SIZE_MAX, type ModelShape } from "../../core/shapes.ts";
import { invalid, type ModelReader, unsupported } from "./model_reader.ts";
import { EMBEDDING_NAME, HEAD_NAME } from "./tensor_names.ts";

const HEAD_SIZE_UNIT = 32;

/** Sizes that an architecture reads; the rest of a {@link ModelShape} is about the file. */
export type ModelSizes = Omit<ModelShape, "name" | "parameterCount">;

/**
 * Reads the sizes under the keys that all architectures share.
 *
 * @param given What the architecture reads otherwise.
 * @throws {EngineError} If they contradict one another, or the heads have a size not supported.
 */
export function readSizes(
  reader: ModelReader,
  given: Partial<Pick<ModelSizes, "kvHeadCount" | "feedForwardWidth">> = {},
): ModelSizes {
  const layerCount = reader.count("block_count");
  const width = reader.count("embedding_length");
  const queryHeadCount = reader.countPerLayer("attention.head_count", layerCount);
  const kvHeadCount = given.kvHeadCount ??
    reader.countPerLayer("attention.head_count_kv", layerCount, queryHeadCount);
  const headSize = reader.count("attention.key_length", width / queryHeadCount);
  checkHeads(reader, { queryHeadCount, kvHeadCount, headSize });
  const vocabSize = reader.rowCount(EMBEDDING_NAME, width);
  return {
    layerCount,
    width,
    feedForwardWidth: given.feedForwardWidth ??
      reader.countPerLayer("feed_forward_length", layerCount),
    queryHeadCount,
    kvHeadCount,
    headSize,
    vocabSize,
    contextLengthTrained: reader.count("context_length"),
    tiedOutput: !reader.hasTensor(HEAD_NAME, [width, vocabSize]),
  };
}

function checkHeads(
  reader: ModelReader,
  sizes: Pick<ModelSizes, "queryHeadCount" | "kvHeadCount" | "headSize">,
): void {
  const { queryHeadCount, kvHeadCount, headSize } = sizes;
  checkHeadSize(headSize);
  const valueSize = reader.number("attention.value_length", headSize);
  if (valueSize !== headSize) {
    throw unsupported(`its keys have ${headSize} channels per head and its values ${valueSize}`);
  }
  if (queryHeadCount % kvHeadCount !== 0) {
    throw invalid(`${queryHeadCount} query heads cannot share ${kvHeadCount} KV heads evenly`);
  }
}

/** @throws {EngineError} If heads have a size not supported. */
export function checkHeadSize(headSize: number): void {
  if (headSize % HEAD_SIZE_UNIT === 0 && headSize <= HEAD_SIZE_MAX) return;
  throw unsupported(
    `its head size is ${headSize}; supported: multiples of ${HEAD_SIZE_UNIT} to ${HEAD_SIZE_MAX}`,
  );
}
