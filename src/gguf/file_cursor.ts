/**
 * Reads a file from its beginning, value by value, and never past its end.
 *
 * @module
 */

const CHUNK_SIZE_BYTES = 1 << 20;

/** A number of a file's bytes, by the name of its type in GGUF. */
export type NumberType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "u64"
  | "i64"
  | "f32"
  | "f64";

/** Bytes of each type. */
export const NUMBER_SIZE_BYTES: Readonly<Record<NumberType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f32: 4,
  f64: 8,
};

/** A read past the end of the file, or of the part that may be read. */
export class CursorError extends Error {
  override name = "CursorError";
}

/** A place in a file; little-endian. */
export class FileCursor {
  readonly #file: Deno.FsFile;
  readonly #limitBytes: number;
  /** A byte order mark is text: vocabularies have tokens that begin with one. */
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Bytes from {@link #start} on. */
  #chunk = new Uint8Array(0);
  #view = new DataView(this.#chunk.buffer);
  #startBytes = 0;
  #offsetBytes = 0;

  /**
   * @param file Stands at its beginning; no one else reads it during the call.
   * @param limitBytes Where reading ends: the file's size, or less.
   */
  constructor(file: Deno.FsFile, limitBytes: number) {
    this.#file = file;
    this.#limitBytes = limitBytes;
  }

  /** Bytes from the file's beginning. */
  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  /** Bytes that are left to read. */
  get leftBytes(): number {
    return this.#limitBytes - this.#offsetBytes;
  }

  /**
   * Reads a number; one of 64 bits as the nearest f64 if it is no safe integer.
   *
   * @throws {CursorError} If too few bytes are left.
   */
  number(type: NumberType): number {
    const at = this.#take(NUMBER_SIZE_BYTES[type]);
    const view = this.#view;
    switch (type) {
      case "u8":
        return view.getUint8(at);
      case "i8":
        return view.getInt8(at);
      case "u16":
        return view.getUint16(at, true);
      case "i16":
        return view.getInt16(at, true);
      case "u32":
        return view.getUint32(at, true);
      case "i32":
        return view.getInt32(at, true);
      case "u64":
        return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
      case "i64":
        return Number(view.getBigInt64(at, true));
      case "f32":
        return view.getFloat32(at, true);
      case "f64":
        return view.getFloat64(at, true);
    }
  }

  /** Reads an integer of 64 bits, exactly; otherwise as {@link number}. */
  bigint(type: "u64" | "i64"): bigint {
    const at = this.#take(NUMBER_SIZE_BYTES[type]);
    return type === "u64" ? this.#view.getBigUint64(at, true) : this.#view.getBigInt64(at, true);
  }

  /**
   * Reads `sizeBytes` bytes as UTF-8; what is none becomes U+FFFD.
   *
   * @throws {CursorError} If too few bytes are left.
   */
  text(sizeBytes: number): string {
    const at = this.#take(sizeBytes);
    return this.#utf8.decode(this.#chunk.subarray(at, at + sizeBytes));
  }

  /**
   * Moves on without a look at what is there.
   *
   * @throws {CursorError} If too few bytes are left.
   */
  skip(sizeBytes: number): void {
    this.#take(sizeBytes);
  }

  /** The bytes from `beginBytes` of the file up to here, once more. */
  bytesSince(beginBytes: number): Uint8Array {
    const bytes = new Uint8Array(this.#offsetBytes - beginBytes);
    const place = this.#file.seekSync(0, Deno.SeekMode.Current);
    this.#file.seekSync(beginBytes, Deno.SeekMode.Start);
    this.#readInto(bytes);
    this.#file.seekSync(place, Deno.SeekMode.Start);
    return bytes;
  }

  /** Moves on by `sizeBytes`; where they begin in the chunk, which then has all of them. */
  #take(sizeBytes: number): number {
    if (!(sizeBytes <= this.leftBytes)) {
      throw new CursorError(`${sizeBytes} bytes at ${this.#offsetBytes}, ${this.leftBytes} left`);
    }
    const at = this.#offsetBytes - this.#startBytes;
    this.#offsetBytes += sizeBytes;
    if (at + sizeBytes <= this.#chunk.length) return at;
    this.#fill(at, sizeBytes);
    return 0;
  }

  /** Makes the chunk begin at `at` of the present one and hold at least `sizeBytes`. */
  #fill(at: number, sizeBytes: number): void {
    const kept = this.#chunk.subarray(at);
    this.#startBytes += at;
    const wantedBytes = Math.max(sizeBytes, CHUNK_SIZE_BYTES);
    const chunk = new Uint8Array(Math.min(wantedBytes, this.#limitBytes - this.#startBytes));
    chunk.set(kept);
    this.#readInto(chunk.subarray(kept.length));
    this.#chunk = chunk;
    this.#view = new DataView(chunk.buffer);
  }

  #readInto(bytes: Uint8Array): void {
    let filledBytes = 0;
    while (filledBytes < bytes.length) {
      const readBytes = this.#file.readSync(bytes.subarray(filledBytes));
      if (readBytes === null) throw new CursorError(`the file became shorter while it was read`);
      filledBytes += readBytes;
    }
  }
}
