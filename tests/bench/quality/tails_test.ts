import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { reportsOf } from "../../../bench/quality/plot.ts";
import { fixedBaselines, profileSize, tailRatios, TAILS } from "../../../bench/quality/tails.ts";
import type { EvalReport } from "../../../src/evaluation/report.ts";

/** The reports of a record by codec, of essays. */
async function recorded(name: string): Promise<Map<string, EvalReport>> {
  const url = new URL(`../../../bench/record/software-vulkan/${name}`, import.meta.url);
  const reports = reportsOf(await Deno.readTextFile(url), name) as EvalReport[];
  return new Map(
    reports.filter(({ text }) => text === "essays.txt").map((own) => [own.codec, own]),
  );
}

Deno.test("tailRatios() are raw bytes over blocks, sinks, window and tables", () => {
  // 23,040 bytes a token; of 2,048 tokens 31 blocks are sealed without a tail, and a tile fills.
  const size = { bits: 4, sinkTokens: 4, tableBytes: 1000 };
  const [none] = tailRatios(size, 0);
  const bytes = 31 * 64 * 23_040 / 4 + 4 * 23_040 + 64 * 23_040 + 1000;
  assertAlmostEquals(none, 2048 * 23_040 / bytes, 1e-12);
  const [, usual] = tailRatios(size, 128);
  const more = 125 * 64 * 23_040 / 4 + 4 * 23_040 + 192 * 23_040 + 1000;
  assertAlmostEquals(usual, 8192 * 23_040 / more, 1e-12);
});

Deno.test("profileSize() gives what packkv eval counted all in, but for slack", async () => {
  const reports = await recorded("2026-11-30-eval-window.json");
  for (
    const [codec, window] of [["balanced, window 0", 0], ["balanced, window 1024", 1024]] as const
  ) {
    const report = reports.get(codec)!;
    const own = tailRatios(profileSize(report), window);
    for (const [index, { tokens, ratio, bytes, slack }] of report.all_in.entries()) {
      const without = ratio * bytes / (bytes - slack);
      assertAlmostEquals(own[index], without, 1e-6, `${codec} at ${tokens}`);
    }
  }
  assertThrows(
    () => profileSize({ ...reports.get("balanced, window 0")!, by_construction: true }),
    RangeError,
  );
});

/** Fixed baselines that are as small as a profile at some tail and length. */
function asSmallAs(profile: EvalReport): string[] {
  const size = profileSize(profile);
  const small = [...fixedBaselines()].filter(([, other]) =>
    TAILS.some((window) => {
      const own = tailRatios(size, window);
      return tailRatios(other, window).some((ratio, index) => ratio >= own[index]);
    })
  );
  return [...new Set(small.map(([name]) => name.replace("+sinks", "")))].sort();
}

Deno.test("no baseline of fixed bits is as small as balanced at any tail, three as near-lossless", async () => {
  const reports = await recorded("2026-11-30-eval-distance.json");
  assert(fixedBaselines().size > 20);
  assertEquals(asSmallAs(reports.get("balanced")!), []);
  assertEquals(asSmallAs(reports.get("near-lossless")!), ["kivi2", "kvarn2", "oscar"]);
});
