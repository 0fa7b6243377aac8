/** Makes small ZIP files for tests. */

import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";

/** A member of a ZIP file; `method` 0 stores, 8 deflates. */
export interface ZipMember {
  name: string;
  bytes: Uint8Array;
  method: 0 | 8;
}

/** Bytes of a ZIP file with these members, in order. */
export function makeZip(members: readonly ZipMember[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, bytes, method } of members) {
    const packed = method === 0 ? bytes : new Uint8Array(deflateRawSync(bytes));
    const nameBytes = new TextEncoder().encode(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    const local = [u32(0x04034b50), common, nameBytes, packed];
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(u32(0x02014b50), u16(20), common, tail, nameBytes);
    parts.push(...local);
    offset += sizeOf(local);
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(sizeOf(directory), 8);
  end.writeUInt32LE(offset, 12);
  return new Uint8Array(Buffer.concat([...parts, ...directory, u32(0x06054b50), end]));
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u16(value: number): Uint8Array {
  return u32(value).subarray(0, 2);
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
