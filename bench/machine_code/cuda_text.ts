/**
 * From the HLSL that naga writes to CUDA that nvcc compiles as a driver would compile the kernel.
 *
 * @module
 */

const INPUT = /struct ComputeInput_main \{\n([^}]*)\};/;

/** Writes zeros of nested arrays as Slang reads their types: from the innermost array on. */
export function withInnerArraysFirst(hlsl: string): string {
  return hlsl.replaceAll(
    /\((\w+)((?:\[\d+\]){2,})\)0;/g,
    (_, type, sizes) => `(${type}${sizes.match(/\[\d+\]/g).reverse().join("")})0;`,
  );
}

/** Gives the entry point its inputs one by one, as Slang knows no structure of them for CUDA. */
export function withPlainInputs(hlsl: string): string {
  const fields = INPUT.exec(hlsl)?.[1].trim().split("\n").map((line) => line.trim()) ?? [];
  if (fields.length === 0) return hlsl;
  const inputs = fields.map((line) => line.replace(/;$/, ""));
  const names = inputs.map((input) => /(\w+) :/.exec(input)![1]);
  const copies = names.map((name) => `computeinput_main.${name} = ${name};`);
  return hlsl
    .replace(INPUT, (whole) => whole.replaceAll(/ : SV_\w+/g, ""))
    .replace("void main(ComputeInput_main computeinput_main", `void main(${inputs.join(", ")}`)
    .replace(
      /(void main\([^)]*\)\s*\{)/,
      `$1\nComputeInput_main computeinput_main;\n${copies.join("\n")}`,
    );
}

/**
 * Lets loads of 8 and 16 bytes be one, through the cache of what nobody writes where that is so,
 * all lanes take part in a shuffle, and four products of bytes be one instruction, as a driver
 * knows.
 */
export function asDriversDo(cuda: string): string {
  const [readOnly, readWrite] = ["struct ByteAddressBuffer", "struct RWByteAddressBuffer"]
    .map((name) => cuda.indexOf(`${name}\n`));
  const wide = (text: string, load: (type: string, place: string) => string) =>
    text
      .replaceAll(
        "return uint4{data[dataIdx], data[dataIdx + 1], data[dataIdx + 2], data[dataIdx + 3]};",
        `return ${load("uint4", "data + dataIdx")};`,
      )
      .replaceAll(
        "return uint2{data[dataIdx], data[dataIdx + 1]};",
        `return ${load("uint2", "data + dataIdx")};`,
      )
      .replaceAll(
        "memcpy(&data, ((const char*)this->data) + index, sizeof(T));",
        "data = *(const T*)(((const char*)this->data) + index);",
      )
      .replaceAll("return data[index >> 2];", `return ${load("uint32_t", "data + (index >> 2)")};`);
  const cached = (type: string, place: string) => `__ldg((const ${type}*)(${place}))`;
  const plain = (type: string, place: string) => `*(const ${type}*)(${place})`;
  const text = cuda.slice(0, readOnly) + wide(cuda.slice(readOnly, readWrite), cached) +
    wide(cuda.slice(readWrite), plain);
  return `#include <cuda_fp16.h>\n${
    text
      .replaceAll(/_getActiveMask\(\)(?!\s*\{)/g, "0xffffffffU")
      .replaceAll(/__ballot_sync\((_S\d+|4294967295U), [^;]*\);/g, "0xffffffffU;")
      .replaceAll(/WaveGetActiveMask_0\((_S\d+)\)/g, "0xffffffffU")
      .replaceAll(
        /dot_0\(make_int4 \(int\(char\((\w+)\)\).*make_int4 \(int\(char\((\w+)\)\).*;/g,
        "__dp4a(int($1), int($2), 0);",
      )
  }`;
}
