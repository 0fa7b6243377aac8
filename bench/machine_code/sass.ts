/**
 * Reading the machine code of NVIDIA as `nvdisasm` prints it.
 *
 * @module
 */

/** What a loop is made of. */
export interface Loop {
  instructions: number;
  /** Multiply-adds of f32. */
  multiplyAdds: number;
  /** Sums of four products of bytes, a multiply-add of four each. */
  byteDots: number;
  globalLoads: number;
  sharedLoads: number;
  shuffles: number;
  barriers: number;
}

const OPERATIONS: Readonly<Record<Exclude<keyof Loop, "instructions">, RegExp>> = {
  multiplyAdds: /^FFMA\b/,
  byteDots: /^IDP\b/,
  globalLoads: /^LD(G|\b)/,
  sharedLoads: /^LDS\b/,
  shuffles: /^SHFL\b/,
  barriers: /^(BAR|WARPSYNC)\b/,
};

/** Instructions, and the loop with the most multiply-adds, without the loops in it. */
export function readSass(text: string): { instructions: number; loop: Loop | null } {
  const instructions: string[] = [];
  const labels = new Map<string, number>();
  for (const line of text.split("\n")) {
    const label = /^\s*(\.L_x_\d+):/.exec(line)?.[1];
    if (label !== undefined) labels.set(label, instructions.length);
    const instruction = /\/\*[0-9a-f]{4,5}\*\/\s+(?:@!?U?P\w+\s+)?(.*?)\s*;/.exec(line)?.[1];
    if (instruction !== undefined) instructions.push(instruction);
  }
  const loops = instructions.flatMap((instruction, end) => {
    const target = /^BRA\b.*(\.L_x_\d+)/.exec(instruction)?.[1];
    const begin = target === undefined ? undefined : labels.get(target);
    return begin !== undefined && begin < end ? [{ begin, end }] : [];
  });
  const counted = loops.map(({ begin, end }) => {
    const inner = loops.filter((other) => other.begin >= begin && other.end < end);
    const isOwn = (at: number) => !inner.some((other) => other.begin <= at && at <= other.end);
    return count(instructions.slice(begin, end + 1).filter((_, index) => isOwn(begin + index)));
  });
  const made = ({ multiplyAdds, byteDots }: Loop) => multiplyAdds + 4 * byteDots;
  const [loop = null] = counted.toSorted((a, b) => made(b) - made(a));
  return { instructions: instructions.length, loop };
}

function count(instructions: readonly string[]): Loop {
  const of = (pattern: RegExp) => instructions.filter((text) => pattern.test(text)).length;
  const counts = Object.entries(OPERATIONS).map(([name, pattern]) => [name, of(pattern)]);
  return { instructions: instructions.length, ...Object.fromEntries(counts) };
}
