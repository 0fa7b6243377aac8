import { bitsFor } from "../../../core/shapes.ts";
import type { PerSide } from "../baseline.ts";
import type { Centres } from "./centres.ts";
import type { DeltaKvForm } from "./form.ts";
import { packedBits, quantiseToken, rangeOf, tokensFrom } from "./packed_block.ts";
import type { DeltaKvSettings } from "./settings.ts";
import { isCentre, keysOf, type TokenBlock, valuesOf } from "./tokens.ts";

/** Bits of a code of profile `paper`, and of a minimum: those of the largest code there can be. */
function codeBitsOf(rel: number): number {
  return bitsFor(Math.floor(1 / rel) + 1);
}

/** Codes of a block in one of the two ways, and what they are read as. */
interface Coded {
  keys: { rows: Int32Array[]; bits: number; payload: number };
  values: { rows: Int32Array[]; bits: number; payload: number };
  /** `[64][2 * channels]`, keys before RoPE. */
  read: Float64Array[];
}

/**
 * DeltaKV without training, over PackKV's packing: centres are coded as they are, other tokens less
 * the mean of their nearest centres as those are read back, with the steps that profile `paper` has
 * for the token itself. A block that takes no fewer bits so is kept as `paper` keeps it. Centres
 * lie in packs of their own, before the others.
 */
export class PackedForm implements DeltaKvForm {
  readonly description: string;
  #settings: DeltaKvSettings;
  #sinkCount: number;
  #blockCount = 0;
  #fallbackCount = 0;
  #valueCount = 0;
  #bits: PerSide = { k: 0, v: 0 };
  #payload: PerSide = { k: 0, v: 0 };

  /** @param sinkCount First tokens that are raw, and centres. */
  constructor(settings: DeltaKvSettings, sinkCount: number) {
    this.#settings = settings;
    this.#sinkCount = sinkCount;
    const { keyRel, valueRel } = settings;
    this.description = `rest packed with steps of ${keyRel} and ${valueRel} of a token's range`;
  }

  get bits(): PerSide {
    return this.#perValue(this.#bits);
  }

  get codeBits(): PerSide {
    return this.#perValue(this.#payload);
  }

  get fallbackShare(): number {
    return this.#blockCount === 0 ? 0 : this.#fallbackCount / this.#blockCount;
  }

  start(): void {
    [this.#blockCount, this.#fallbackCount, this.#valueCount] = [0, 0, 0];
    [this.#bits, this.#payload] = [{ k: 0, v: 0 }, { k: 0, v: 0 }];
  }

  readBack(block: TokenBlock, centres: Centres): void {
    const { vectors, firstToken } = block;
    for (let token = 0; token < firstToken; token++) centres.add(vectors[token]);
    const centreCount = centres.count;
    const plain = this.#plain(block);
    const described = this.#described(block, centres);
    const bitsOf = ({ keys, values }: Coded) => keys.bits + values.bits;
    const fallsBack = bitsOf(described) >= bitsOf(plain);
    const kept = fallsBack ? plain : described;
    this.#blockCount++;
    this.#fallbackCount += Number(fallsBack);
    this.#valueCount += (vectors.length - firstToken) * vectors[0].length / 2;
    this.#bits = { k: this.#bits.k + kept.keys.bits, v: this.#bits.v + kept.values.bits };
    this.#payload = {
      k: this.#payload.k + kept.keys.payload,
      v: this.#payload.v + kept.values.payload,
    };
    // Centres are what is read of them, which depends on how the block is kept.
    centres.cut(centreCount);
    for (const token of tokensFrom(firstToken)) {
      vectors[token] = kept.read[token];
      if (this.#isCentre(block, token)) centres.add(kept.read[token]);
    }
  }

  /** As profile `paper` keeps it: keys after RoPE. */
  #plain({ vectors, position, firstToken, turning }: TokenBlock): Coded {
    const coded = this.#emptyCoded(vectors);
    for (const token of tokensFrom(firstToken)) {
      const turned = keysOf(vectors[token]).slice();
      turning.turn(turned, position + token);
      this.#put(coded, token, this.#quantised(turned, valuesOf(vectors[token]), vectors[token]));
      turning.turnBack(keysOf(coded.read[token]), position + token);
    }
    return this.#counted(coded, [tokensFrom(firstToken)]);
  }

  /** Centres as they are, others by what differs from them. */
  #described(block: TokenBlock, centres: Centres): Coded {
    const { vectors, firstToken } = block;
    const { neighbourCount } = this.#settings;
    const coded = this.#emptyCoded(vectors);
    const runs: [own: number[], others: number[]] = [[], []];
    let idBits = 0;
    for (const token of tokensFrom(firstToken)) {
      const vector = vectors[token];
      if (this.#isCentre(block, token) || centres.count === 0) {
        runs[0].push(token);
        this.#put(coded, token, this.#quantised(keysOf(vector), valuesOf(vector), vector));
        centres.add(coded.read[token]);
        continue;
      }
      const nearest = centres.nearest(vector, neighbourCount);
      const mean = centres.mean(nearest);
      const rest = vector.map((value, i) => value - mean[i]);
      idBits += nearest.length * bitsFor(centres.count - 1);
      runs[1].push(token);
      this.#put(coded, token, this.#quantised(keysOf(rest), valuesOf(rest), vector));
      coded.read[token].forEach((value, i) => coded.read[token][i] = value + mean[i]);
    }
    const counted = this.#counted(coded, runs.filter((run) => run.length > 0));
    counted.keys.bits += idBits / 2;
    counted.values.bits += idBits / 2;
    return counted;
  }

  #isCentre({ position }: TokenBlock, token: number): boolean {
    const { stride } = this.#settings;
    return isCentre(position + token, { sinkCount: this.#sinkCount, stride });
  }

  /** Both sides of a token, with the steps of the token itself, whatever is coded of it. */
  #quantised(keys: Float64Array, values: Float64Array, whole: Float64Array) {
    const { keyRel, valueRel } = this.#settings;
    return {
      keys: quantiseToken(keys, { range: rangeOf(keysOf(whole)), rel: keyRel }),
      values: quantiseToken(values, { range: rangeOf(valuesOf(whole)), rel: valueRel }),
    };
  }

  #emptyCoded(vectors: readonly Float64Array[]): Coded {
    const side = () => ({ rows: [], bits: 0, payload: 0 });
    return { keys: side(), values: side(), read: vectors.map((vector) => vector.slice()) };
  }

  #put(
    { keys, values, read }: Coded,
    token: number,
    own: Record<"keys" | "values", ReturnType<typeof quantiseToken>>,
  ): void {
    keys.rows[token] = own.keys.codes;
    values.rows[token] = own.values.codes;
    keysOf(read[token]).set(own.keys.values);
    valuesOf(read[token]).set(own.values.values);
  }

  #counted(coded: Coded, runs: readonly (readonly number[])[]): Coded {
    const { keyRel, valueRel } = this.#settings;
    for (const [side, rel] of [[coded.keys, keyRel], [coded.values, valueRel]] as const) {
      const { all, payload } = packedBits(side.rows, { runs, codeBits: codeBitsOf(rel) });
      [side.bits, side.payload] = [all, payload];
    }
    return coded;
  }

  #perValue({ k, v }: PerSide): PerSide {
    const count = Math.max(1, this.#valueCount);
    return { k: k / count, v: v / count };
  }
}
