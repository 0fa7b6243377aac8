/**
 * Constants of the cold form that writing and reading share. FORMAT.md section 9.
 *
 * @module
 */

/** First byte of a block of rows. */
export const ROWS_VERSION = 1;
/** First byte of a block of channels, and rows besides. */
export const CHANNELS_VERSION = 2;
/** Version, tables less one, classes that occur as 16 bits. */
export const HEADER_BYTES = 4;
/** Bits of a mode that name the table; the prediction is above them. */
export const TABLE_BITS = 6;
/** States of the range coder: their bytes, and the least one, where they begin. */
export const STATE_BYTES = 16;
/** A state is at least this between symbols, and below 2^31. */
export const STATE_MIN: number = 1 << 15;
/** Bytes of a record's row count. */
export const ROW_COUNT_BYTES = 3;
