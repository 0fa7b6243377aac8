import { assertEquals, assertThrows } from "@std/assert";
import { dominations, type TailRow } from "../../../bench/quality/dominated.ts";

const row = (codec: string, kl: [number, number, number], ratio: number): TailRow => {
  const [kl_mean, kl_p50, kl_p999] = kl;
  const all_in = { "2048": ratio / 2, "8192": ratio };
  return { text: "a", codec, window: 0, tokens: 1024, kl_mean, kl_p50, kl_p999, all_in };
};

const BALANCED = row("balanced", [0.02, 0.01, 0.8], 7);

Deno.test("dominations() names a codec that is no larger and does no more damage, by measure and length", () => {
  const smaller = row("x", [0.03, 0.01, 0.9], 7);
  const found = dominations([BALANCED, smaller]);
  assertEquals(found.map(({ profile, by, measure, length }) => [profile, by, measure, length]), [
    ["balanced", "x", "kl_p50", 2048],
    ["balanced", "x", "kl_p50", 8192],
  ]);
  const shorter = { ...row("x", [0.01, 0.02, 0.9], 0), all_in: { "2048": 4, "8192": 6.9 } };
  assertEquals(dominations([BALANCED, shorter]).map(({ length }) => length), [2048]);
});

Deno.test("dominations() compares profiles with others alone, of the same text, tokens and window", () => {
  const better = row("q4_0", [0, 0, 0], 9);
  const others = [
    { ...better, text: "b" },
    { ...better, window: 128 },
    { ...better, tokens: 2048 },
    row("tight", [0, 0, 0], 9),
  ];
  const worse = row("q4_0", [1, 1, 1], 1);
  assertEquals(dominations([BALANCED, worse, ...others]), []);
  assertThrows(() => dominations([BALANCED, ...others]), RangeError, "no profile stands beside");
});

Deno.test("no profile in the record of tails is dominated by a baseline beside it", async () => {
  const url = new URL("../../../bench/record/cpu/2026-11-30-tails.json", import.meta.url);
  const { result } = JSON.parse(await Deno.readTextFile(url));
  assertEquals(dominations(result), []);
});
