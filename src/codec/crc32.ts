/**
 * The checksum of portable blocks. FORMAT.md section 8.2.
 *
 * @module
 */

/** Remainders of all bytes by the reflected polynomial 0xEDB88320. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  }
  return remainder;
});

/** CRC-32 of IEEE 802.3, as in zlib and PNG. */
export function crc32(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ byte) & 255];
  return (remainder ^ 0xffffffff) >>> 0;
}
