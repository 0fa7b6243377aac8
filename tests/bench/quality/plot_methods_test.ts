import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  methodPoints,
  methodsSpec,
  type PlottedMethod,
} from "../../../bench/quality/plot_methods.ts";
import { drawSvg } from "../../../bench/quality/plot.ts";

const report = (profile: string, method: string, kl_mean: number, packed: number) =>
  ({ profile, method, kl_mean, bytes: { packed, f16: 1000 } }) satisfies PlottedMethod;

const REPORTS = [
  report("exact", "all", 0, 900),
  report("balanced", "all", 0.004, 120),
  report("balanced", "chunkkv:ratio=0.5", 0.02, 60),
  report("balanced", "chunkkv:ratio=0.5:chunk=1", 0.03, 70),
  report("balanced", "chunkkv:ratio=0.5+think:ratio=0.2", 0.03, 50),
];

Deno.test("methodPoints() says which are dominated by one with a lower KL and fewer bytes", () => {
  const points = methodPoints(REPORTS);
  assertEquals(points.map(({ name, isBest }) => [name, isBest]), [
    ["balanced", true],
    ["balanced, chunkkv:ratio=0.5", true],
    ["balanced, chunkkv:ratio=0.5:chunk=1", false],
    ["balanced, chunkkv:ratio=0.5+think:ratio=0.2", true],
  ]);
  assertEquals(points.map(({ share }) => share), [12, 6, 7, 5]);
  assertEquals(points.map(({ family }) => family), [
    "profile alone",
    "chunkkv",
    "chunkkv, token by token",
    "tokens and channels",
  ]);
});

Deno.test("methodsSpec() draws a name for each point", async () => {
  const points = methodPoints(REPORTS);
  const svg = await drawSvg(methodsSpec(points, "Title"));
  for (const { name } of points) assertStringIncludes(svg, name);
});
