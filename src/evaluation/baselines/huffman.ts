/**
 * Lengths of Huffman codes: Huffman 1952.
 *
 * @module
 */

/** Bits that symbols of these counts take in all, each coded by a Huffman code of the counts. */
export function huffmanBits(counts: Iterable<number>): number {
  const weights = [...counts].filter((count) => count > 0).sort((a, b) => b - a);
  // A code of one symbol has no bits; the weights of inner nodes add up to the coded bits.
  let bits = 0;
  while (weights.length > 1) {
    const joined = weights.pop()! + weights.pop()!;
    bits += joined;
    const place = weights.findIndex((weight) => weight < joined);
    weights.splice(place === -1 ? weights.length : place, 0, joined);
  }
  return bits;
}
