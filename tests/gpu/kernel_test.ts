import { assertEquals, assertThrows } from "@std/assert";
import { Kernel } from "../../src/gpu/kernel.ts";
import { bindings } from "../../src/gpu/wgsl_declarations.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";

const CODE = `const FIRST = 1u;
// @group(0) @binding(9) var<storage, read> absent: array<u32>;
@group(0) @binding(FIRST + 1u) var<storage, read_write> y: array<u32>;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(FIRST) var<storage, read> unused: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
  y[i] = 2u * x[i];
}`;

Deno.test("bindings() reads names, computed indexes and what is written, and no comments", () => {
  assertEquals(bindings(CODE), [
    { name: "y", index: 2, isWritten: true },
    { name: "x", index: 0, isWritten: false },
    { name: "unused", index: 1, isWritten: false },
  ]);
});

Deno.test("Kernel binds by the names of its shader", async () => {
  const gpu = await testGpu();
  const kernel = await Kernel.create(gpu, { label: "double", code: CODE });
  const x = gpu.createBufferWith("x", Uint32Array.of(1, 2, 3, 4));
  const y = gpu.createBuffer("y", 16);
  const bound = kernel.bind({ y, x, unused: null });
  submitPass(gpu, (pass) => kernel.dispatch(pass, bound, 1));
  assertEquals([...await readU32(gpu, y, 4)], [2, 4, 6, 8]);
});

Deno.test("Kernel refuses a missing buffer, one too many, and what is written bound twice", async () => {
  const gpu = await testGpu();
  const kernel = await Kernel.create(gpu, { label: "double", code: CODE });
  const [x, y] = ["x", "y"].map((label) => gpu.createBuffer(label, 16));
  assertThrows(() => kernel.bind({ y, unused: null }), Error, "binding x of double has a buffer");
  assertThrows(() => kernel.bind({ y, x, z: x, unused: null }), Error, "z is a binding of double");
  assertThrows(() => kernel.bind({ y, x: y, unused: null }), Error, "double writes as y");
});
