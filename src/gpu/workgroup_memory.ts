/**
 * How much workgroup memory a WGSL text takes, as WebGPU counts it, without compiling it.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import {
  type Declarations,
  declarations,
  evaluate,
  splitList,
  withoutComments,
} from "./wgsl_declarations.ts";

/** Size and alignment of a type, bytes. */
interface TypeSize {
  size: number;
  alignment: number;
}

/** Each variable is rounded up to this. WebGPU, section "WGSL-validating createComputePipeline". */
const VARIABLE_ALIGNMENT_BYTES = 16;

/**
 * Bytes of all `var<workgroup>` of a text whose types are numbers, vectors, arrays and structures.
 *
 * @param overrides Values of `override` constants.
 */
export function workgroupMemoryBytes(
  code: string,
  overrides: Readonly<Record<string, number>> = {},
): number {
  if (!code.includes("var<workgroup>")) return 0;
  const text = withoutComments(code);
  const known = declarations(text, overrides);
  let bytes = 0;
  for (const [, type] of text.matchAll(/var<workgroup>\s*\w+\s*:\s*([^;]+);/g)) {
    bytes += alignTo(sizeOf(type.trim(), known).size, VARIABLE_ALIGNMENT_BYTES);
  }
  return bytes;
}

function sizeOf(type: string, known: Declarations): TypeSize {
  const alias = known.aliases.get(type);
  if (alias !== undefined) return sizeOf(alias, known);
  const members = known.structures.get(type);
  if (members !== undefined) return structureSize(members, known);
  if (/^(f32|u32|i32|atomic<[ui]32>)$/.test(type)) return { size: 4, alignment: 4 };
  const vector = /^vec([234])(?:<(?:f32|u32|i32)>|[fui])$/.exec(type);
  if (vector) {
    const size = 4 * Number(vector[1]);
    return { size, alignment: size === 12 ? 16 : size };
  }
  const array = /^array<(.+)>$/s.exec(type);
  invariant(array !== null, `type ${type} has a known size`);
  const [element, count] = splitList(array[1]);
  const { size, alignment } = sizeOf(element, known);
  return { size: alignTo(size, alignment) * evaluate(count, known), alignment };
}

function structureSize(members: readonly string[], known: Declarations): TypeSize {
  let end = 0;
  let largest = 1;
  for (const member of members) {
    const { size, alignment } = sizeOf(member, known);
    end = alignTo(end, alignment) + size;
    largest = Math.max(largest, alignment);
  }
  return { size: alignTo(end, largest), alignment: largest };
}

function alignTo(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
