import { assertEquals, assertThrows } from "@std/assert";
import { constantLines, expandTemplate } from "../../src/gpu/wgsl_template.ts";

Deno.test("expandTemplate() repeats a line for every value of its markers, the first one outermost", () => {
  assertEquals(
    expandTemplate("a\nlet x${i}_${j} = ${i}u;\nb", { i: 2, j: 2 }),
    "a\nlet x0_0 = 0u;\nlet x0_1 = 0u;\nlet x1_0 = 1u;\nlet x1_1 = 1u;\nb",
  );
});

Deno.test("expandTemplate() repeats a block as a whole, blocks within blocks included", () => {
  const source = "//: repeat i\nf${i}();\n  //: repeat j\n  g${i}${j}();\n  //: end\n//: end";
  assertEquals(
    expandTemplate(source, { i: 2, j: 2 }),
    "f0();\n  g00();\n  g01();\nf1();\n  g10();\n  g11();",
  );
});

Deno.test("expandTemplate() repeats a statement of several lines as a whole", () => {
  const source = "let a${i} =\n  b +\n  c(${i}u,\n    d);\nstruct S {\n  e${i}: u32,\n}";
  const twice = "let a0 =\n  b +\n  c(0u,\n    d);\nlet a1 =\n  b +\n  c(1u,\n    d);\n";
  assertEquals(expandTemplate(source, { i: 2 }), `${twice}struct S {\n  e0: u32,\n  e1: u32,\n}`);
});

Deno.test("expandTemplate() repeats items of a list in brackets, lists within lists included", () => {
  const source =
    "let a${k} = A(\n//: repeat i\nB(\n//: repeat j\n${i}${j},\n//: end\n),\n//: end\n);";
  assertEquals(
    expandTemplate(source, { i: 2, j: 2, k: 2 }),
    ["a0", "a1"].map((name) => `let ${name} = A(\nB(\n00,\n01,\n),\nB(\n10,\n11,\n),\n);`).join(
      "\n",
    ),
  );
});

Deno.test("expandTemplate() keeps one of the two parts of a condition, conditions within included", () => {
  const source = "a\n//: if is_x\nb\n//: if is_y\nc\n//: else\nd\n//: end\n//: else\ne\n//: end";
  assertEquals(expandTemplate(source, { is_x: 1, is_y: 0 }), "a\nb\nd");
  assertEquals(expandTemplate(source, { is_x: 1, is_y: 1 }), "a\nb\nc");
  assertEquals(expandTemplate(source, { is_x: 0, is_y: 1 }), "a\ne");
  assertEquals(expandTemplate("//: if z\na${i}\n//: end\nb", { z: 1, i: 2 }), "a0\na1\nb");
});

Deno.test("expandTemplate() removes lines whose marker counts 0 and leaves comments alone", () => {
  assertEquals(expandTemplate("// ${i}\nx${i}\ny", { i: 0 }), "// ${i}\ny");
});

Deno.test("expandTemplate() throws if a marker has no count or a block no end", () => {
  assertThrows(() => expandTemplate("x${i}", {}), Error, "marker i has a count");
  assertThrows(() => expandTemplate("//: repeat i\nx${i}", { i: 1 }), Error, "has an end");
});

Deno.test("constantLines() writes one constant per line and refuses what is not a whole number", () => {
  assertEquals(constantLines({ D: 64, G: 3 }), "const D: u32 = 64u;\nconst G: u32 = 3u;\n");
  assertThrows(() => constantLines({ D: 0.5 }), Error, "D is a whole number");
});
