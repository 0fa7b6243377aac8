import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import {
  curvePoints,
  curveSpec,
  drawSvg,
  type PlottedReport,
  reportsOf,
} from "../../../bench/quality/plot.ts";
import { BASELINE_NAMES } from "../../../src/evaluation/baselines/table.ts";

const report = (text: string, codec: string, kl: number, bits: number): PlottedReport => {
  return { text, codec, tokens: 2048, kl_mean: kl, bits: { k: bits + 0.5, v: bits - 0.5 } };
};
const REPORTS = [
  report("a", "exact", 0, 16),
  report("a", "balanced", 0.01, 2.2),
  report("a", "q4_0+sinks", 0.02, 4.5),
  report("b", "exact", 0, 16),
  report("b", "q4_0+sinks", 0.04, 4.5),
  report("b", "balanced", 0.03, 2.4),
];

Deno.test("curvePoints() averages each codec over its texts, K and V, and leaves out exact", () => {
  const points = curvePoints(REPORTS).map(({ kl, bits, ...names }) => {
    return { ...names, kl: kl.toFixed(6), bits: bits.toFixed(6) };
  });
  assertEquals(points, [
    { codec: "balanced", family: "packkv", kl: "0.020000", bits: "2.300000" },
    { codec: "q4_0+sinks", family: "llama.cpp", kl: "0.030000", bits: "4.500000" },
  ]);
});

Deno.test("curvePoints() has a family for every baseline, and llama.cpp's for its types alone", () => {
  const familyOf = (codec: string) => curvePoints([report("a", codec, 1, 3)])[0].family;
  const families = ["paper", "kivi2", "int3", "oscar+sinks", "tight-xquant"].map(familyOf);
  assertEquals(families, ["PackKV as published", "KIVI", "plain integers", "OSCAR", "XQuant"]);
  for (const name of BASELINE_NAMES) {
    assertEquals(familyOf(name) === "llama.cpp", /^q\d_0/.test(name), name);
    assert(familyOf(name) !== "packkv", name);
  }
});

Deno.test("curvePoints() refuses a codec that lacks a text or has it twice", () => {
  const lacking = REPORTS.slice(0, -1);
  assertThrows(() => curvePoints(lacking), RangeError, "balanced: it has reports of a");
  const twice = [...REPORTS, report("b", "balanced", 0.03, 2.4)];
  assertThrows(() => curvePoints(twice), RangeError, "balanced");
});

Deno.test("drawSvg() gives an SVG with a mark and a name for each codec, the same each time", async () => {
  const spec = curveSpec(curvePoints(REPORTS), "a title");
  const svg = await drawSvg(spec);
  assertMatch(svg, /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  for (const text of ["a title", "balanced", "packkv", "llama.cpp", "open points"]) {
    assertStringIncludes(svg, `>${text}`);
  }
  // Named by its family and its open point alone, so that names do not lie on each other.
  assert(!svg.includes(">q4_0+sinks<"));
  for (const codec of ["balanced", "q4_0+sinks"]) {
    assertStringIncludes(svg, `aria-label="${codec}"`);
  }
  assertEquals(await drawSvg(spec), svg);
});

Deno.test("reportsOf() reads what eval prints and records of it, and nothing else", () => {
  const [one] = REPORTS;
  assertEquals(reportsOf(JSON.stringify(one), "x"), [one]);
  assertEquals(reportsOf(JSON.stringify(REPORTS), "x"), REPORTS);
  assertEquals(reportsOf(JSON.stringify({ command: "", result: REPORTS }), "x"), REPORTS);
  for (const text of ["{}", "[]", '{"result": [{"codec": "a"}]}']) {
    assertThrows(() => reportsOf(text, "x.json"), SyntaxError, "x.json: it holds no reports");
  }
});
