import { assertEquals } from "@std/assert";
import { workgroupMemoryBytes } from "../../src/gpu/workgroup_memory.ts";

const CASES: [string, number, Record<string, number>?][] = [
  ["var<workgroup> a: u32;", 16],
  ["var<workgroup> a: atomic<u32>; var<workgroup> b: array<f32, 5>;", 16 + 32],
  ["var<workgroup> a: array<vec2<f32>, 3>;", 32],
  ["var<workgroup> a: array<vec3<f32>, 3>;", 48],
  ["var<workgroup> a: array<vec4u, 3>;", 48],
  ["alias H = vec4<f32>;\nconst D: u32 = 64u;\nvar<workgroup> a: array<H, D>;", 1024],
  ["const N = 4u;\nvar<workgroup> a: array<u32, 2u * (N + 1u) - N / 2u>;", 32],
  ["override N: u32;\noverride M = N / 2u;\nvar<workgroup> a: array<u32, M>;", 256, { N: 128 }],
  ["struct S { a: vec3<u32>, b: u32, c: u32, }\nvar<workgroup> a: array<S, 2>;", 64],
  ["// var<workgroup> a: array<u32, 99>;\nvar<private> b: u32;", 0],
];

for (const [code, bytes, constants] of CASES) {
  Deno.test(`workgroupMemoryBytes() is ${bytes} of ${JSON.stringify(code)}`, () => {
    assertEquals(workgroupMemoryBytes(code, constants), bytes);
  });
}
