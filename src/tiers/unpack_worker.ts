/**
 * Entry of a worker that reads block files for a tier.
 *
 * @module
 */

import { parseBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";

/** To the worker. */
export type ToUnpackWorker =
  | { type: "open"; format: BlockFormat }
  | { type: "unpack"; id: number; key: string; bytes: Uint8Array<ArrayBuffer> }
  | { type: "close" };

/** What became of a file. */
export type FromUnpackWorker =
  | { type: "block"; block: StoredBlock }
  /** It is damaged, or none of this cache. */
  | { type: "refused"; message: string }
  /** The worker is gone. */
  | { type: "ended"; message: string };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToUnpackWorker>) => void;
  postMessage(message: FromUnpackWorker & { id: number }, transfer?: Transferable[]): void;
  close(): void;
};

let format: BlockFormat;

scope.onmessage = ({ data }) => {
  if (data.type === "open") format = data.format;
  else if (data.type === "close") scope.close();
  else unpack(data);
};

function unpack({ id, key, bytes }: Extract<ToUnpackWorker, { type: "unpack" }>): void {
  try {
    const block = parseBlockFile(format, key, bytes);
    scope.postMessage({ id, type: "block", block }, [block.words.buffer]);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    scope.postMessage({ id, type: "refused", message: error.message });
  }
}
