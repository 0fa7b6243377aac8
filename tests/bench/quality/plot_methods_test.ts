import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  methodPlots,
  methodsSpec,
  type PlottedMethod,
} from "../../../bench/quality/plot_methods.ts";
import { drawSvg } from "../../../bench/quality/plot.ts";

const report = (profile: string, method: string, kl_mean: number, packed: number) =>
  ({
    profile,
    method,
    kl_mean,
    bytes: { packed, f16: 1000 },
    model: "Tiny",
    text: "a.txt",
    tokens: 2048,
    positions: 96,
  }) satisfies PlottedMethod;

const REPORTS = [
  report("exact", "all", 0, 900),
  report("balanced", "all", 0.004, 120),
  report("balanced", "chunkkv:ratio=0.5", 0.02, 60),
  report("balanced", "chunkkv:ratio=0.5:chunk=1", 0.03, 70),
  report("balanced", "chunkkv:ratio=0.5+think:ratio=0.2", 0.03, 50),
  report("balanced", "kvsharer:8", 2, 110),
  report("xquant:bits=1", "all", 7, 55),
];
/** Smaller and better than all others, of another length. */
const LONGER = { ...report("balanced", "think", 0.001, 10), tokens: 8000 };

Deno.test("methodPlots() says which are dominated by one with a lower KL and fewer bytes", () => {
  const [{ points }] = methodPlots(REPORTS);
  assertEquals(points.map(({ name, isBest }) => [name, isBest]), [
    ["balanced", true],
    ["balanced, chunkkv:ratio=0.5", true],
    ["balanced, chunkkv:ratio=0.5:chunk=1", false],
    ["balanced, chunkkv:ratio=0.5+think:ratio=0.2", true],
    ["balanced, kvsharer:8", false],
    ["xquant:bits=1", false],
  ]);
  assertEquals(points.map(({ share }) => share), [12, 6, 7, 5, 11, 5.5]);
  assertEquals(points.map(({ family }) => family), [
    "profile alone",
    "chunkkv",
    "chunkkv, token by token",
    "tokens and channels",
    "layers that share",
    "codes of other layers",
  ]);
});

Deno.test("methodPlots() compares what was measured alike only", () => {
  const plots = methodPlots([LONGER, ...REPORTS]);
  assertEquals(plots.map(({ points }) => points.length), [6, 1]);
  assertEquals(plots.map(({ points }) => points[0].isBest), [true, true]);
  assertEquals(plots[1].title, "Methods beside profiles, Tiny, 8000 tokens of a.txt, 96 next ones");
});

Deno.test("methodsSpec() draws a name for each point and a title for each plot", async () => {
  const plots = methodPlots([LONGER, ...REPORTS]);
  const svg = await drawSvg(methodsSpec(plots));
  for (const { title, points } of plots) {
    assertStringIncludes(svg, title);
    for (const { name } of points) assertStringIncludes(svg, name);
  }
});
