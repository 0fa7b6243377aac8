/**
 * Models in several files, `<name>-00001-of-00005.gguf` and so on: names of the parts, and one
 * model of them.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { GgufFile, GgufTensor } from "./gguf_file.ts";

const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/** How many files the model of `file` is in. */
export function partCount({ metadata }: GgufFile): number {
  return metadata.getNumber("split.count", 1) || 1;
}

/** Names of all parts of the model that `name` is a part of, first to last; or `name` alone. */
export function partNames(name: string): string[] {
  const [, stem, , ofName] = PART_NAME.exec(name) ?? [];
  if (stem === undefined || Number(ofName) === 0) return [name];
  return Array.from({ length: Number(ofName) }, (_, index) => {
    return `${stem}-${fiveDigits(index + 1)}-of-${ofName}.gguf`;
  });
}

/**
 * Paths of all parts, first to last.
 *
 * @param path Of any part.
 * @throws {EngineError} `model_file_invalid` if its name is not that of one of `count` parts, or
 * files are missing, which it names.
 */
export async function partPaths(path: string, count: number): Promise<string[]> {
  const paths = partNames(path);
  if (paths.length !== count) {
    const wanted = `-00001-of-${fiveDigits(count)}.gguf`;
    throw invalid(path, `it is one of ${count} parts, whose names end like ${wanted}`);
  }
  const areThere = await Promise.all(paths.map((each) => Deno.stat(each).catch(() => null)));
  const missing = paths.filter((_, index) => areThere[index] === null);
  if (missing.length === 0) return paths;
  throw invalid(
    path,
    `it is one of ${count} parts, of which these are missing: ${missing.join(", ")}`,
  );
}

/**
 * The model that all its parts make, first to last. Its metadata are those of the first.
 *
 * @throws {EngineError} `model_file_invalid` if a part is that of another place or model.
 */
export function joinParts(files: readonly GgufFile[]): GgufFile {
  const [first] = files;
  const tensors = new Map<string, GgufTensor>();
  for (const [index, { path, metadata, tensors: ofPart }] of files.entries()) {
    const place = metadata.getNumber("split.no", -1);
    const count = metadata.getNumber("split.count", -1);
    if (place !== index || count !== files.length) {
      const found = `says that it is part ${place + 1} of ${count}`;
      throw invalid(path, `it ${found}, its name that it is ${index + 1} of ${files.length}`);
    }
    for (const [name, tensor] of ofPart) {
      if (tensors.has(name)) throw invalid(path, `tensor "${name}" is in an earlier part too`);
      tensors.set(name, index === 0 ? tensor : { ...tensor, part: index });
    }
  }
  const wanted = first.metadata.getNumber("split.tensors.count", tensors.size);
  if (wanted !== tensors.size) {
    throw invalid(first.path, `its parts have ${tensors.size} tensors, not ${wanted}`);
  }
  const parts = files.flatMap((file) => file.parts);
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  return { path: first.path, parts, sizeBytes, metadata: first.metadata, tensors };
}

/** The name of a model file without `.gguf` and, of a part, without its place. */
export function modelFileName(path: string): string {
  const fileName = path.split(/[\\/]/).at(-1) ?? path;
  return PART_NAME.exec(fileName)?.[1] ?? fileName.replace(/\.gguf$/i, "");
}

function fiveDigits(number: number): string {
  return String(number).padStart(5, "0");
}

function invalid(path: string, state: string): EngineError {
  return new EngineError("model_file_invalid", `Cannot read model file ${path}: ${state}`);
}
