/**
 * What a process did with its store of blocks.
 *
 * @module
 */

/** Since the start. */
export interface StoreCounts {
  /** Whether it answers now. */
  isUp: boolean;
  /** Blocks read and sound. */
  readBlockCount: number;
  /** Their bytes. */
  readBytes: number;
  /** Blocks written. */
  writtenBlockCount: number;
  /** Their bytes. */
  writtenBytes: number;
  /** Blocks not written: the store was down, or the rate reached. */
  skippedBlockCount: number;
  /** Blocks that were there and did not come in time. */
  lateBlockCount: number;
  /** Blocks read that did not match their checksum or name. */
  damagedBlockCount: number;
  /** Times that the connection was given up, or could not be made. */
  failureCount: number;
}
