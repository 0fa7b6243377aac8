import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { GENERATED_LINE, originOf } from "../../src/gpu/wgsl_origin.ts";
import { expandTemplate } from "../../src/gpu/wgsl_template.ts";
import { testGpu } from "../support/gpu.ts";

const TEMPLATE = `//: file shaders/a.wgsl
// Markers: i.
fn a() {
  //: repeat i
  let b\${i} =
    1u;
  c\${i}();
  //: end
}
`;

const CODE = [
  expandTemplate(TEMPLATE, { i: 2 }),
  "//: file shaders/b.wgsl",
  "fn d() {",
  "}",
  `${GENERATED_LINE}const E = 1u;`,
].join("\n");

Deno.test("originOf() names the line of a file that a repeated line stands for", () => {
  const lines = CODE.split("\n");
  const origins = lines.map((line, index) => [line.split(" //:")[0], originOf(CODE, index + 1)]);
  const of = (text: string) => origins.filter(([line]) => line === text).map(([, at]) => at);
  assertEquals(of("fn a() {"), ["shaders/a.wgsl:3"]);
  assertEquals(of("  let b1 ="), ["shaders/a.wgsl:5"]);
  assertEquals([...of("  c0();"), ...of("  c1();")], ["shaders/a.wgsl:7", "shaders/a.wgsl:7"]);
  assertEquals(of("fn d() {"), ["shaders/b.wgsl:2"]);
  assertEquals(of("const E = 1u;"), [null]);
});

Deno.test("a shader that does not compile is refused with the line of its file", async () => {
  const gpu = await testGpu();
  const code = expandTemplate(TEMPLATE.replace("1u;", "nonsense;"), { i: 2 });
  const error = await assertRejects(() => gpu.createPipeline({ label: "a", code }), EngineError);
  assertStringIncludes(error.message, "at shaders/a.wgsl:5");
});
