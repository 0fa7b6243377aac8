/**
 * Opens GGUF files: reads the header, checks it against the file, and reads tensor data only on
 * request.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { alignUp } from "../core/shapes.ts";
import type { GgufFile, GgufTensor } from "./gguf_file.ts";
import { GgufMetadata } from "./metadata.ts";
import { type Header, HeaderError, type HeaderTensor, readHeader } from "./read_header.ts";
import { joinParts, partCount, partPaths } from "./split_files.ts";
import { ggmlTypeName, isTensorType, TENSOR_TYPES } from "./tensor_types.ts";

const ALIGNMENT_DEFAULT = 32;

export type { GgufFile, GgufTensor };

/**
 * Reads the header of a local GGUF file, or of all parts of a split one; tensor data stays on the
 * disk.
 *
 * @param path Path of a `.gguf` file, version 1 to 3, little-endian; of a split model that of any
 * part.
 * @throws {EngineError} `model_file_invalid` if a file is missing, no GGUF, truncated, or
 * contradicts itself; `model_unsupported` if a tensor has a type this project does not read, or the
 * header is longer than 64 MiB.
 */
export async function readGguf(path: string): Promise<GgufFile> {
  const file = await readPart(path);
  const count = partCount(file);
  if (count === 1) return file;
  const paths = await partPaths(path, count);
  return joinParts(await Promise.all(paths.map(readPart)));
}

async function readPart(path: string): Promise<GgufFile> {
  const sizeBytes = await fileSizeBytes(path);
  const header = headerOf(path, sizeBytes);
  const metadata = new GgufMetadata({
    // The fingerprint that names blocks and calibrations is made from these too.
    version: header.version,
    tensor_count: BigInt(header.tensors.length),
    kv_count: BigInt(header.values.size),
    ...Object.fromEntries(header.values),
  });
  const alignmentBytes = metadata.getNumber("general.alignment", ALIGNMENT_DEFAULT);
  if (!(alignmentBytes >= 1 && Number.isInteger(Math.log2(alignmentBytes)))) {
    throw invalid(path, `"general.alignment" is ${alignmentBytes}, no power of two`);
  }
  const dataOffsetBytes = alignUp(header.sizeBytes, alignmentBytes);
  const tensors = new Map<string, GgufTensor>();
  for (const info of header.tensors) {
    if (tensors.has(info.name)) throw invalid(path, `tensor "${info.name}" appears twice`);
    tensors.set(info.name, checkTensor(info, { path, sizeBytes, dataOffsetBytes }));
  }
  refuseOverlap(path, [...tensors.values()]);
  return { path, parts: [{ path, sizeBytes }], sizeBytes, metadata, tensors };
}

function headerOf(path: string, sizeBytes: number): Header {
  using file = Deno.openSync(path);
  try {
    return readHeader(file, sizeBytes);
  } catch (cause) {
    if (!(cause instanceof HeaderError)) throw cause;
    const code = cause.isUnsupported ? "model_unsupported" : "model_file_invalid";
    throw new EngineError(code, `Cannot read model file ${path}: ${cause.message}`, { cause });
  }
}

function refuseOverlap(path: string, tensors: readonly GgufTensor[]): void {
  const sorted = tensors.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
  for (let index = 1; index < sorted.length; index++) {
    const [before, tensor] = [sorted[index - 1], sorted[index]];
    if (before.offsetBytes + before.sizeBytes <= tensor.offsetBytes) continue;
    throw invalid(path, `tensors "${before.name}" and "${tensor.name}" overlap`);
  }
}

/**
 * Reads a tensor's bytes from the disk, as they are in the file. Blocks until they are there.
 *
 * @param range Bytes `[begin, end)` relative to the tensor's start; all of it if left out.
 * @returns A fresh buffer of `end - begin` bytes.
 * @throws {RangeError} If the range does not lie in the tensor.
 * @throws {EngineError} `model_file_invalid` if the file has become shorter.
 */
export function readTensorBytes(
  file: GgufFile,
  tensor: GgufTensor,
  range: { begin: number; end: number } = { begin: 0, end: tensor.sizeBytes },
): Uint8Array<ArrayBuffer> {
  const { begin, end } = range;
  if (!(0 <= begin && begin <= end && end <= tensor.sizeBytes)) {
    throw new RangeError(
      `Cannot read bytes ${begin} to ${end} of tensor "${tensor.name}": it has ${tensor.sizeBytes}`,
    );
  }
  const bytes = new Uint8Array(end - begin);
  const { path } = file.parts[tensor.part ?? 0];
  using handle = Deno.openSync(path, { read: true });
  handle.seekSync(tensor.offsetBytes + begin, Deno.SeekMode.Start);
  let filledBytes = 0;
  while (filledBytes < bytes.length) {
    const readBytes = handle.readSync(bytes.subarray(filledBytes));
    if (readBytes === null) throw invalid(path, `it ends inside tensor "${tensor.name}"`);
    filledBytes += readBytes;
  }
  return bytes;
}

function checkTensor(
  info: HeaderTensor,
  file: { path: string; sizeBytes: number; dataOffsetBytes: number },
): GgufTensor {
  const { name } = info;
  const type = ggmlTypeName(info.typeId);
  if (!isTensorType(type)) {
    const supported = Object.keys(TENSOR_TYPES).join(", ");
    throw new EngineError(
      "model_unsupported",
      `Cannot read tensor "${name}" of ${file.path}: its type is ${type}; supported: ${supported}`,
    );
  }
  const shape = withoutTrailingOnes(info.shape);
  const elementCount = shape.reduce((product, size) => product * size, 1);
  const blockElementCount = TENSOR_TYPES[type].elementCount;
  if (shape.length === 0 || elementCount === 0 || shape[0] % blockElementCount !== 0) {
    throw invalid(
      file.path,
      `tensor "${name}" has shape [${shape}], but ${type} holds rows of ` +
        `${blockElementCount} values`,
    );
  }
  const offsetBytes = file.dataOffsetBytes + info.offsetBytes;
  // Sizes of more than 53 bits are not exact, nor do they have to be.
  const sizeBytes = elementCount / blockElementCount * TENSOR_TYPES[type].sizeBytes;
  if (!(offsetBytes + sizeBytes <= file.sizeBytes)) {
    throw invalid(
      file.path,
      `tensor "${name}" ends at byte ${offsetBytes + sizeBytes}, the file at ${file.sizeBytes}`,
    );
  }
  return { name, type, shape, offsetBytes, sizeBytes };
}

/** Sizes of a tensor as this project compares them: some writers pad them to four with 1. */
export function withoutTrailingOnes(shape: readonly number[]): readonly number[] {
  const end = shape.findLastIndex((size) => size !== 1) + 1;
  return shape.slice(0, Math.max(end, Math.min(1, shape.length)));
}

async function fileSizeBytes(path: string): Promise<number> {
  const info = await Deno.stat(path).catch((cause) => {
    throw invalid(path, messageOf(cause), cause);
  });
  if (!info.isFile) throw invalid(path, "it is not a file");
  return info.size;
}

function invalid(path: string, state: string, cause?: unknown): EngineError {
  return new EngineError("model_file_invalid", `Cannot read model file ${path}: ${state}`, {
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
