/** Reading machine code, and the texts that a compiler is given for it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  asDriversDo,
  withInnerArraysFirst,
  withPlainInputs,
} from "../../bench/machine_code/cuda_text.ts";
import { chosenTexts, KERNELS } from "../../bench/machine_code/machine_code.ts";
import { instructionsPerMultiplyAdd, timeTable } from "../../bench/machine_code/time_model.ts";
import { sliceTable, tileInstructions } from "../../bench/machine_code/slice_model.ts";
import { readSass } from "../../bench/machine_code/sass.ts";

const SASS = `
.text.main:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/                   LDG.E.128 R4, [R2] ;
.L_x_2:
        /*0020*/                   LDS.128 R8, [R3] ;
        /*0030*/                   FFMA R0, R4, R8, R0 ;
        /*0040*/                   FFMA R1, R4, R9, R1 ;
        /*0050*/                   SHFL.BFLY PT, R5, R0, 0x1, 0x1f ;
        /*0060*/               @P0 BRA \`(.L_x_2) ;
        /*0070*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*0080*/              @!P1 BRA \`(.L_x_1) ;
.L_x_3:
        /*0090*/                   FFMA R0, R4, R8, R0 ;
        /*00a0*/               @P0 BRA \`(.L_x_3) ;
        /*00b0*/                   EXIT ;
`;

Deno.test("readSass() counts the innermost loop with the most multiply-adds", () => {
  assertEquals(readSass(SASS), {
    instructions: 12,
    loop: {
      instructions: 5,
      multiplyAdds: 2,
      byteDots: 0,
      globalLoads: 0,
      sharedLoads: 1,
      shuffles: 1,
      barriers: 0,
    },
    around: 3,
  });
  const inLoop = SASS.replaceAll("LDG.E.128 R4, [R2]", "IDP.4A.S8.S8 R0, R1, R2, R0");
  assertEquals(readSass(inLoop).loop?.byteDots, 1, "four multiply-adds are more than two");
  assertEquals(readSass("/*0000*/ EXIT ;"), { instructions: 1, loop: null, around: 0 });
});

Deno.test("withPlainInputs() gives an entry point its inputs one by one", () => {
  const hlsl = `struct ComputeInput_main {
    uint index_5 : SV_GroupIndex;
    uint3 workgroup_id_1 : SV_GroupID;
};
[numthreads(128, 1, 1)]
void main(ComputeInput_main computeinput_main, uint3 local_id : SV_GroupThreadID)
{
    work(computeinput_main.index_5);
}`;
  const text = withPlainInputs(hlsl);
  assertStringIncludes(
    text,
    "void main(uint index_5 : SV_GroupIndex, uint3 workgroup_id_1 : SV_GroupID, " +
      "uint3 local_id : SV_GroupThreadID)\n{\nComputeInput_main computeinput_main;\n" +
      "computeinput_main.index_5 = index_5;",
  );
  assertStringIncludes(text, "struct ComputeInput_main {\n    uint index_5;\n");
  assertEquals(withPlainInputs("void main() {}"), "void main() {}");
});

Deno.test("asDriversDo() loads 16 bytes at once, what nobody writes through the cache", () => {
  const load =
    "return uint4{data[dataIdx], data[dataIdx + 1], data[dataIdx + 2], data[dataIdx + 3]};";
  const cuda = `struct ByteAddressBuffer\n{ ${load} }\nstruct RWByteAddressBuffer\n{ ${load} }\n` +
    "__shfl_sync(_getActiveMask(), x, 1);";
  assertEquals(
    asDriversDo(cuda),
    "#include <cuda_fp16.h>\n" +
      "struct ByteAddressBuffer\n{ return __ldg((const uint4*)(data + dataIdx)); }\n" +
      "struct RWByteAddressBuffer\n{ return *(const uint4*)(data + dataIdx); }\n" +
      "__shfl_sync(0xffffffffU, x, 1);",
  );
});

Deno.test("asDriversDo() makes four products of bytes one instruction", () => {
  const bytes = (name: string) =>
    `make_int4 (int(char(${name})), int(char(${name} >> 8U)), int(char(${name} >> 16U)), ` +
    `int(char(${name} >> 24U)))`;
  const cuda = `return dot_0(${bytes("a_0")}, ${bytes("b_0")});`;
  assertStringIncludes(asDriversDo(cuda), "\nreturn __dp4a(int(a_0), int(b_0), 0);");
});

Deno.test("withInnerArraysFirst() turns the sizes of nested arrays round where they are zeroed", () => {
  assertEquals(
    withInnerArraysFirst("a = (uint4[2][4][16])0;\nb = (float[32])0;"),
    "a = (uint4[16][4][2])0;\nb = (float[32])0;",
  );
});

Deno.test("every kernel of the machine code has a text for all GPUs, with the label named first", async () => {
  for (const gpu of ["gfx1030", "gfx1100", "sm_89"] as const) {
    const labels = (await chosenTexts(gpu)).map(([kernel, { label }]) => [kernel, label]);
    assertEquals(labels, Object.entries(KERNELS).map(([kernel, [first]]) => [kernel, first]));
  }
});

Deno.test("the model of time has a row for each model and device, and its loops are those of a record", async () => {
  const folder = new URL("../../bench/record/machine-code/", import.meta.url);
  const [before, after] = await Promise.all(
    ["2026-11-29-before-tiles-and-teams.json", "2026-11-29.json"].map(async (name) =>
      JSON.parse(await Deno.readTextFile(new URL(name, folder))).kernels
    ),
  );
  assertEquals(instructionsPerMultiplyAdd(before).toFixed(2), "2.22");
  assertEquals(instructionsPerMultiplyAdd(after).toFixed(2), "1.32");
  const table = timeTable({ before, after }).split("\n");
  assertEquals(table.length, 2 + 2 * 4);
  const readme = await Deno.readTextFile(new URL("../../README.md", folder));
  for (const row of table.slice(2)) {
    const cells = row.split("|").map((cell) => cell.trim()).filter((cell) => cell !== "");
    assertStringIncludes(readme.replaceAll(/ +/g, " "), cells.join(" | "));
  }
});

Deno.test("the model of slices has what small tiles cost in instructions, and its table stands in the README", async () => {
  const folder = new URL("../../bench/record/machine-code/", import.meta.url);
  const text = await Deno.readTextFile(new URL("2026-11-30-small-tiles.json", folder));
  const { kernels } = JSON.parse(text);
  const instructions = tileInstructions(kernels);
  assertEquals(Object.values(instructions).map((each) => each.toFixed(2)), [
    "2.97",
    "2.13",
    "1.72",
  ]);
  const readme = await Deno.readTextFile(new URL("../../README.md", folder));
  for (const row of sliceTable(kernels).split("\n").slice(2)) {
    assertStringIncludes(readme.replaceAll(/ +/g, " "), row);
  }
});
