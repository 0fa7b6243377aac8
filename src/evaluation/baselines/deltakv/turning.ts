/**
 * Keys before RoPE, and back.
 *
 * @module
 */

import type { RopeTable } from "../../../model/rope_table.ts";

/** Turns keys back to how they were before RoPE, or again: in place, head by head. */
export class Turning {
  #rope: RopeTable;
  #row: Float32Array;

  /** Of a layer's table. */
  constructor(rope: RopeTable) {
    this.#rope = rope;
    this.#row = new Float32Array(rope.rowLength);
  }

  /** @param keys `[heads * headSize]` of the token at `position`. */
  turn(keys: Float64Array, position: number): void {
    this.#apply(keys, position, (x, y, cosine, sine) => [
      x * cosine - y * sine,
      x * sine + y * cosine,
    ]);
  }

  /** The inverse of {@link Turning.turn}. */
  turnBack(keys: Float64Array, position: number): void {
    this.#apply(keys, position, (x, y, cosine, sine) => {
      // The table's magnitude is in both.
      const square = cosine ** 2 + sine ** 2;
      return [(x * cosine + y * sine) / square, (y * cosine - x * sine) / square];
    });
  }

  #apply(
    keys: Float64Array,
    position: number,
    turned: (x: number, y: number, cosine: number, sine: number) => [number, number],
  ): void {
    this.#rope.fillRow(this.#row, 0, position);
    for (let at = 0; at < keys.length; at += 2) {
      const pair = at % this.#row.length;
      [keys[at], keys[at + 1]] = turned(
        keys[at],
        keys[at + 1],
        this.#row[pair],
        this.#row[pair + 1],
      );
    }
  }
}
