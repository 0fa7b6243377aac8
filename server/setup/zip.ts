/**
 * Takes one member out of a ZIP file (a wheel is one) without reading the rest of it.
 *
 * Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16. Not supported: ZIP64,
 * encryption, methods other than stored and deflate.
 *
 * @module
 */

import { SetupError } from "./setup_error.ts";

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_SIZE_BYTES = 22;
const COMMENT_SIZE_BYTES_MAX = 0xffff;
const READ_SIZE_BYTES = 1 << 18;

interface ZipEntry {
  method: number;
  packedSizeBytes: number;
  sizeBytes: number;
  localOffsetBytes: number;
}

/**
 * Writes the member `name` of the ZIP file at `zipPath` to `outPath`, behind what is there with
 * `append` and replacing it without.
 *
 * @param onProgress Called with the number of bytes written so far and in total.
 * @throws {SetupError} If it is no such file, has no such member, or the member is damaged.
 */
export async function extractZipMember(
  zipPath: string,
  name: string,
  options: {
    outPath: string;
    append?: boolean;
    onProgress?: (doneBytes: number, sizeBytes: number) => void;
  },
): Promise<void> {
  using file = await Deno.open(zipPath);
  const entry = await findEntry(file, name, zipPath);
  const packed = await openMember(file, entry, zipPath);
  const plain = entry.method === 0
    ? packed
    : packed.pipeThrough(new DecompressionStream("deflate-raw"));
  let doneBytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      doneBytes += bytes.length;
      options.onProgress?.(doneBytes, entry.sizeBytes);
      controller.enqueue(bytes);
    },
  });
  const { append = false } = options;
  const out = await Deno.open(options.outPath, {
    create: true,
    write: true,
    append,
    truncate: !append,
  });
  await plain.pipeThrough(count).pipeTo(out.writable).catch((cause) => {
    if (!(cause instanceof TypeError)) throw cause; // what DecompressionStream throws for bad bytes
    throw damaged(zipPath, `member ${name} does not unpack`, cause);
  });
  if (doneBytes !== entry.sizeBytes) {
    throw damaged(zipPath, `member ${name} has ${doneBytes} bytes, not ${entry.sizeBytes}`);
  }
}

async function findEntry(file: Deno.FsFile, name: string, zipPath: string): Promise<ZipEntry> {
  const { size } = await file.stat();
  const tailSizeBytes = Math.min(size, END_SIZE_BYTES + COMMENT_SIZE_BYTES_MAX);
  const tail = await readAt(file, size - tailSizeBytes, tailSizeBytes);
  let end = tailSizeBytes - END_SIZE_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END_SIGNATURE) end--;
  if (end < 0) throw damaged(zipPath, "it is no ZIP file, or its end is missing");
  const directorySizeBytes = tail.getUint32(end + 12, true);
  const directory = await readAt(file, tail.getUint32(end + 16, true), directorySizeBytes);
  let offset = 0;
  while (offset + 46 <= directory.byteLength) {
    if (directory.getUint32(offset, true) !== ENTRY_SIGNATURE) break;
    const nameSizeBytes = directory.getUint16(offset + 28, true);
    if (textAt(directory, offset + 46, nameSizeBytes) === name) {
      return {
        method: directory.getUint16(offset + 10, true),
        packedSizeBytes: directory.getUint32(offset + 20, true),
        sizeBytes: directory.getUint32(offset + 24, true),
        localOffsetBytes: directory.getUint32(offset + 42, true),
      };
    }
    const extraSizeBytes = directory.getUint16(offset + 30, true);
    offset += 46 + nameSizeBytes + extraSizeBytes + directory.getUint16(offset + 32, true);
  }
  throw damaged(zipPath, `it has no member ${name}`);
}

async function openMember(
  file: Deno.FsFile,
  entry: ZipEntry,
  zipPath: string,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { method, localOffsetBytes } = entry;
  if (method !== 0 && method !== 8) throw damaged(zipPath, `it uses packing method ${method}`);
  const header = await readAt(file, localOffsetBytes, 30);
  if (header.byteLength < 30 || header.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw damaged(zipPath, "its directory points to no member");
  }
  const nameSizeBytes = header.getUint16(26, true);
  const extraSizeBytes = header.getUint16(28, true);
  await file.seek(localOffsetBytes + 30 + nameSizeBytes + extraSizeBytes, Deno.SeekMode.Start);
  let leftBytes = entry.packedSizeBytes;
  return new ReadableStream({
    async pull(controller) {
      const bytes = new Uint8Array(Math.min(READ_SIZE_BYTES, leftBytes));
      const count = leftBytes === 0 ? null : await file.read(bytes);
      if (count === null) return controller.close();
      leftBytes -= count;
      controller.enqueue(bytes.subarray(0, count));
    },
  });
}

/** Bytes `[offset, offset + size)` of the file; fewer at its end. */
async function readAt(file: Deno.FsFile, offset: number, sizeBytes: number): Promise<DataView> {
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(sizeBytes);
  let filledBytes = 0;
  while (filledBytes < sizeBytes) {
    const count = await file.read(bytes.subarray(filledBytes));
    if (count === null) break;
    filledBytes += count;
  }
  return new DataView(bytes.buffer, 0, filledBytes);
}

function textAt(view: DataView, offset: number, sizeBytes: number): string {
  const end = Math.min(offset + sizeBytes, view.byteLength);
  return new TextDecoder().decode(
    new Uint8Array(view.buffer, view.byteOffset + offset, end - offset),
  );
}

function damaged(path: string, state: string, cause?: unknown): SetupError {
  return new SetupError(`Cannot unpack ${path}: ${state}`, { cause });
}
