/** WGSL that finds out what a device does, whatever its adapter says. */

/** Words that each lane of {@link lanesText} writes. */
export const LANE_WORDS = 4;

/** Workgroups of {@link lanesText}: more than one, as their subgroups may differ. */
export const LANES_GROUP_COUNT = 4;

/** What a lane gives the others to read. */
export function laneValue(group: number, lane: number): number {
  return group * 1000 + lane * 7 + 3;
}

/**
 * By lane of workgroups of `teamCount` teams of `laneCount`: the size of its subgroup, its place in
 * it, the values of its octet as read by shuffles, folded, and the sum over the team by halves; of
 * one team, plus the sum over the subgroup.
 */
export function lanesText(laneCount: number, teamCount = 1): string {
  const threadCount = laneCount * teamCount;
  const octet = Array.from(
    { length: 8 },
    (_, place) => `  octet = octet * 31u + subgroupShuffle(value, (lane & ~7u) + ${place}u);`,
  );
  const halves = Array.from(
    { length: Math.log2(laneCount) },
    (_, step) => `  sum += subgroupShuffle(sum, lane ^ ${2 ** step}u);`,
  );
  return `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${threadCount})
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let value = group.x * 1000u + index * 7u + 3u;
  var octet = 0u;
${octet.join("\n")}
  var sum = value;
${halves.join("\n")}
  let at = (group.x * ${threadCount}u + index) * ${LANE_WORDS}u;
  y[at] = size;
  y[at + 1u] = lane;
  y[at + 2u] = octet;
  y[at + 3u] = sum${teamCount === 1 ? " + subgroupAdd(value)" : ""};
}`;
}

/** Words that {@link arithmeticText} writes, and the first of what it reads. */
export const ARITHMETIC_WORDS = 4;

/** What it reads: numbers from memory, so that no compiler computes with them. */
export const ARITHMETIC_INPUTS = Float32Array.of(
  0.5,
  1.5,
  2.5,
  -2.5,
  1 + 2 ** -11, // halfway between two halves, the lower is even
  1 + 3 * 2 ** -11, // the upper is
  2049,
  0,
);

/** Roundings, f16 and products of bytes. */
export function arithmeticText({ hasF16, hasDot4 }: { hasF16: boolean; hasDot4: boolean }): string {
  const dot = "dot4I8Packed(bitcast<u32>(x[7]) | 0x80ff7f02u, 0x7f02ff03u)";
  return `${hasF16 ? "enable f16;\n" : ""}@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1)
fn main() {
  let rounded = vec4<i32>(round(vec4<f32>(x[0], x[1], x[2], x[3])));
  y[0] = u32(rounded.x & 15) | (u32(rounded.y & 15) << 4u) | (u32(rounded.z & 15) << 8u) |
    (u32(rounded.w & 15) << 12u);
  y[1] = pack2x16float(vec2<f32>(x[4], x[5]));
  y[2] = ${hasF16 ? "u32(f16(x[6]))" : "0u"};
  y[3] = ${hasDot4 ? `u32(${dot})` : "0u"};
}`;
}
