/** Writes safetensors files for tests. */

/** A tensor to write: values are rounded to its type, F32 or BF16 (by cutting). */
export interface TensorToWrite {
  dtype: "F32" | "BF16" | "I32";
  shape: readonly number[];
  values: ArrayLike<number>;
}

/** The bytes of a file. */
export function safetensorsBytes(tensors: Readonly<Record<string, TensorToWrite>>): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const parts: Uint8Array[] = [];
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const floats = new Uint32Array(Float32Array.from(values).buffer);
    const bytes = dtype === "BF16"
      ? new Uint8Array(Uint16Array.from(floats, (bits) => bits >>> 16).buffer)
      : new Uint8Array(floats.buffer);
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
    parts.push(bytes);
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const all = new Uint8Array(8 + text.length + end);
  new DataView(all.buffer).setBigUint64(0, BigInt(text.length), true);
  all.set(text, 8);
  let at = 8 + text.length;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
