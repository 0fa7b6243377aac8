/**
 * How channels of K turn from token to token: RoPE, as the cold form foretells it. FORMAT.md
 * section 9.7.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { invariant } from "../../core/errors.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { halvesAt, take } from "./kernel_memory.ts";
import type { LayerTurns } from "./turn.ts";

/** Parts of a cosine. */
const UNIT = 1 << 14;
/** Numbers of a pair: of its first channel, then of its second. */
const PAIR_NUMBERS = 4 * BLOCK_TOKEN_COUNT;
/** What stands still. */
const STILL = numbersOf(Uint32Array.of(0));

/** By the turns of a layer: they are worked out once. */
const NUMBERS = new WeakMap<Uint32Array, Int16Array>();

/** Names turns: blocks are read with those that they were written with. */
export function checksumOf(turns: LayerTurns, layers: readonly number[]): number {
  return layers.reduce((sum, layer) => {
    const own = turns?.[layer] ?? new Uint32Array();
    return crc32(new Uint8Array(own.buffer, own.byteOffset, own.byteLength), sum);
  }, 0);
}

/** Turns of layers where kernels read them, each kind once. */
export class TakenTurns {
  readonly #still: number;
  readonly #addresses = new Map<Uint32Array, number>();

  /** @param layers Turns by layer; null: nothing turns. */
  constructor(layers: readonly (Uint32Array | null)[]) {
    this.#still = takeNumbers(STILL);
    for (const own of layers) {
      if (own === null || this.#addresses.has(own)) continue;
      let numbers = NUMBERS.get(own);
      if (numbers === undefined) NUMBERS.set(own, numbers = numbersOf(own));
      this.#addresses.set(own, takeNumbers(numbers));
    }
  }

  /**
   * Where the turns of each pair of rows lie.
   *
   * @param addresses Written: of K's channels by head, then as many of V's.
   */
  writeAddresses(own: Uint32Array | null, addresses: Uint32Array): void {
    addresses.fill(this.#still);
    if (own === null) return;
    const first = this.#addresses.get(own);
    invariant(first !== undefined, "these turns were taken");
    for (let pair = 0; pair < addresses.length / 2; pair++) {
      addresses[pair] = first + 2 * PAIR_NUMBERS * (pair % own.length);
    }
  }
}

function takeNumbers(numbers: Int16Array): number {
  const address = take(numbers.byteLength);
  halvesAt(address, numbers.length).set(numbers);
  return address;
}

/** By pair and token cosine and minus sine, then sine and cosine. */
function numbersOf(turns: Uint32Array): Int16Array {
  const numbers = new Int16Array(turns.length * PAIR_NUMBERS);
  for (const [pair, turn] of turns.entries()) {
    for (let token = 0; token < BLOCK_TOKEN_COUNT; token++) {
      const angle = 2 * Math.PI * (Math.imul(turn, token) >>> 0) / 2 ** 32;
      const cosine = Math.round(UNIT * Math.cos(angle));
      const sine = Math.round(UNIT * Math.sin(angle));
      const first = pair * PAIR_NUMBERS + 2 * token;
      numbers.set([cosine, -sine], first);
      numbers.set([sine, cosine], first + 2 * BLOCK_TOKEN_COUNT);
    }
  }
  return numbers;
}
