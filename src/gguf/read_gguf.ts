/**
 * Opens GGUF files: reads the header with `@huggingface/gguf`, checks it against the file, and
 * never
 * reads tensor data that nobody asked for.
 *
 * @module
 */

import { GGMLQuantizationType, gguf, type GGUFTensorInfo } from "@huggingface/gguf";
import { EngineError } from "../core/errors.ts";
import { GgufMetadata } from "./metadata.ts";
import { BLOCK_LAYOUTS, elementsSizeBytes, isTensorType, type TensorType } from "./tensor_types.ts";

const ALIGNMENT_DEFAULT = 32;

/** Where a tensor lies in its file, and how it is laid out. */
export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Sizes in ggml's order: `shape[0]` is the number of columns, contiguous in memory. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** The header of a GGUF file. */
export interface GgufFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly metadata: GgufMetadata;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * Reads the header of a local GGUF file; tensor data stays on the disk.
 *
 * @param path Path of a `.gguf` file, version 1 to 3, little-endian.
 * @throws {EngineError} `model_file_invalid` if the file is missing, no GGUF, truncated, or
 * contradicts itself; `model_unsupported` if a tensor has a type this project does not read.
 */
export async function readGguf(path: string): Promise<GgufFile> {
  const sizeBytes = await fileSizeBytes(path);
  const parsed = await gguf(path, { allowLocalFile: true }).catch((cause) => {
    throw invalid(path, `its header is damaged (${messageOf(cause)})`, cause);
  });
  if (!parsed.littleEndian) {
    throw new EngineError("model_unsupported", `Cannot read ${path}: it is big-endian`);
  }
  const [, headerEndBytes] = parsed.tensorInfoByteRange;
  if (headerEndBytes > sizeBytes) {
    throw invalid(path, `it ends inside its header (${sizeBytes} bytes; header ${headerEndBytes})`);
  }
  const metadata = new GgufMetadata(parsed.metadata as unknown as Record<string, unknown>);
  const alignmentBytes = metadata.getNumber("general.alignment", ALIGNMENT_DEFAULT);
  // The library rounds with bit operations, which only powers of two and 31 bits survive.
  const dataOffsetBytes = Math.ceil(headerEndBytes / alignmentBytes) * alignmentBytes;
  const tensors = new Map<string, GgufTensor>();
  for (const info of parsed.tensorInfos) {
    if (tensors.has(info.name)) throw invalid(path, `tensor "${info.name}" appears twice`);
    tensors.set(info.name, checkTensor(info, { path, sizeBytes, dataOffsetBytes }));
  }
  return { path, sizeBytes, metadata, tensors };
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
  using handle = Deno.openSync(file.path, { read: true });
  handle.seekSync(tensor.offsetBytes + begin, Deno.SeekMode.Start);
  let filledBytes = 0;
  while (filledBytes < bytes.length) {
    const readBytes = handle.readSync(bytes.subarray(filledBytes));
    if (readBytes === null) throw invalid(file.path, `it ends inside tensor "${tensor.name}"`);
    filledBytes += readBytes;
  }
  return bytes;
}

function checkTensor(
  info: GGUFTensorInfo,
  file: { path: string; sizeBytes: number; dataOffsetBytes: number },
): GgufTensor {
  const { name } = info;
  const type: string = GGMLQuantizationType[info.dtype] ?? `number ${info.dtype}`;
  if (!isTensorType(type)) {
    const supported = Object.keys(BLOCK_LAYOUTS).join(", ");
    throw new EngineError(
      "model_unsupported",
      `Cannot read tensor "${name}" of ${file.path}: its type is ${type}; supported: ${supported}`,
    );
  }
  const shape = info.shape.map(Number);
  const elementCount = shape.reduce((product, size) => product * size, 1);
  const blockElementCount = BLOCK_LAYOUTS[type].elementCount;
  if (shape.length === 0 || elementCount === 0 || shape[0] % blockElementCount !== 0) {
    throw invalid(
      file.path,
      `tensor "${name}" has shape [${shape}], but ${type} holds rows of ` +
        `${blockElementCount} values`,
    );
  }
  const offsetBytes = file.dataOffsetBytes + Number(info.offset);
  const sizeBytes = elementsSizeBytes(type, elementCount);
  if (!(offsetBytes + sizeBytes <= file.sizeBytes)) {
    throw invalid(
      file.path,
      `tensor "${name}" ends at byte ${offsetBytes + sizeBytes}, the file at ${file.sizeBytes}`,
    );
  }
  return { name, type, shape, offsetBytes, sizeBytes };
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
