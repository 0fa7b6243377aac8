import { readGguf } from "../gguf/read_gguf.ts";
import { createTokenizer } from "./tokenizer.ts";
import type { Tokenizer } from "./types.ts";

/**
 * Makes the tokenizer of a model file.
 *
 * @param modelPath Path of a GGUF file.
 * @throws {EngineError} `model_file_invalid` or `model_unsupported`, naming what is wrong.
 */
export async function loadTokenizer(modelPath: string): Promise<Tokenizer> {
  const { metadata, tensors } = await readGguf(modelPath);
  return createTokenizer(metadata, tensors);
}
