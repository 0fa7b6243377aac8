import { assertEquals } from "@std/assert";
import { medianReports, type StreamReport } from "../../server/measure/single_stream.ts";

function report(name: string, prefill: number, decode: number): StreamReport {
  return {
    name,
    device: "any",
    prefill: { depth: 512, tokensPerSecond: prefill },
    decode: [{ depth: 128, tokensPerSecond: decode }],
  };
}

Deno.test("medianReports() takes the median of each rate of each engine", () => {
  const rounds = [[3, 30], [1, 10], [2, 99]].map(([a, b]) => [
    report("a", a, 10 * a),
    report("b", b, b),
  ]);
  assertEquals(medianReports(rounds), [report("a", 2, 20), report("b", 30, 30)]);
  assertEquals(medianReports(rounds.slice(0, 2)), [report("a", 2, 20), report("b", 20, 20)]);
});
