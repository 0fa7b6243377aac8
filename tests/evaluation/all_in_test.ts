import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { ALL_IN_TOKENS, allInBytes, sealedOnceRead } from "../../src/evaluation/all_in.ts";

/** 10 blocks of 1,000 bytes as f16, packed into 1,500 with 100 of first tokens. */
const FACTS = {
  blockCount: 10,
  raw: 10_000,
  packed: 1_500,
  allocated: 1_540,
  sinks: 100,
  sinksArePacked: true,
  windowBlockCount: 2,
  window: 4_000,
  near: null,
  tables: 300,
};

Deno.test("allInBytes() counts every part once, at the length that was measured", () => {
  const tokens = 12 * 64 + 1;
  assertEquals(sealedOnceRead(tokens, 2), 10);
  const all = allInBytes(FACTS, tokens)!;
  const { sealed, sinks, window, slack, tables } = all;
  assertEquals({ sealed, sinks, window, slack, tables }, {
    sealed: 1_400,
    sinks: 100,
    window: 4_000,
    slack: 40,
    tables: 300,
  });
  assertEquals(all.bytes, 1_540 + 4_000 + 300);
  assertAlmostEquals(all.ratio, tokens * 10_000 / 640 / all.bytes, 1e-12);
});

Deno.test("allInBytes() adds first tokens of codecs whose bytes are by construction", () => {
  const own = allInBytes(FACTS, 769)!;
  const other = allInBytes({ ...FACTS, sinksArePacked: false }, 769)!;
  assertEquals(other.bytes - own.bytes, 100);
});

Deno.test("allInBytes() nears the ratio of sealed blocks as the window is spread over more tokens", () => {
  const ratios = ALL_IN_TOKENS.map((tokens) => allInBytes(FACTS, tokens)!.ratio);
  assert(ratios[0] < ratios[1] && ratios[1] < ratios[2], ratios.join());
  assert(ratios[2] < 10_000 / 1_400, "and stays below it");
  assertEquals(allInBytes({ ...FACTS, blockCount: 0 }, 2048), null);
});
