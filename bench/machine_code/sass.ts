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

/** What is read of a kernel. */
export interface Sass {
  instructions: number;
  /** The loop with the most multiply-adds, without the loops in it. */
  loop: Loop | null;
  /** Instructions of the loop that this one is in, without the loops in it; 0 if there is none. */
  around: number;
}

/** Counts the instructions of a kernel. */
export function readSass(text: string): Sass {
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
    const own = instructions.slice(begin, end + 1).filter((_, index) => isOwn(begin + index));
    return { begin, end, loop: count(own) };
  });
  const made = ({ multiplyAdds, byteDots }: Loop) => multiplyAdds + 4 * byteDots;
  const [most] = counted.toSorted((a, b) => made(b.loop) - made(a.loop));
  const [around] = counted
    .filter(({ begin, end }) => most !== undefined && begin <= most.begin && end > most.end)
    .sort((a, b) => a.end - a.begin - (b.end - b.begin));
  return {
    instructions: instructions.length,
    loop: most?.loop ?? null,
    around: around?.loop.instructions ?? 0,
  };
}

function count(instructions: readonly string[]): Loop {
  const of = (pattern: RegExp) => instructions.filter((text) => pattern.test(text)).length;
  const counts = Object.entries(OPERATIONS).map(([name, pattern]) => [name, of(pattern)]);
  return { instructions: instructions.length, ...Object.fromEntries(counts) };
}
