//: file shaders/embed/row.wgsl
// embed/row: x[row, :] = SCALE * weight[ids[index of row], :], expanded from the weight's format
//
// Source:    none; the first step of every transformer
// Binds:     src/kernels/embed/row.ts, which appends shaders/lib/weight_*.wgsl, the format
// Reference: src/reference/embed.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over blocks of 32 columns
// Precision: f32 out, rounded once from scale * code + minimum

override WORKGROUP_SIZE: u32 = 32u;
override COLUMN_COUNT: u32; // of weight and x; a multiple of 32
override SCALE: f32 = 1.0; // of all values
override PART_START: u32 = 0u; // first row of the part of the weight that is bound
override PART_COUNT: u32; // rows of that part; other rows are left to other parts

override BLOCK_COUNT: u32 = COLUMN_COUNT / 32u;

// weights and scales: [rows / 32][blocks][...]; src/kernels/weight_layout.ts
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<u32>>; // of quantised formats
@group(0) @binding(2) var<storage, read> ids: array<u32>; // token ids
@group(0) @binding(3) var<storage, read> rows: array<Row>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>; // [rows, columns / 4]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroup_id.x;
  let id = ids[rows[row].id_index];
  if (id < PART_START || id - PART_START >= PART_COUNT) {
    return;
  }
  let part_row = id - PART_START;
  let lane = (part_row & 31u) / 4u;
  let output = part_row & 3u;
  for (var block = thread; block < BLOCK_COUNT; block += WORKGROUP_SIZE) {
    let group_block = (part_row / 32u) * BLOCK_COUNT + block;
    let values = load_weights(group_block, output, lane, load_shared(group_block, lane));
    let of_outputs = load_scales(group_block, lane);
    let scale = vec4<f32>(of_outputs.scale[output]);
    let minimum = vec4<f32>(of_outputs.minimum[output]);
    let at = (row * BLOCK_COUNT + block) * 8u;
    x[at] = SCALE * fma(weight_columns(values, 0u), scale, minimum);
    x[at + 1u] = SCALE * fma(weight_columns(values, 1u), scale, minimum);
    x[at + 2u] = SCALE * fma(weight_columns(values, 2u), scale, minimum);
    x[at + 3u] = SCALE * fma(weight_columns(values, 3u), scale, minimum);
    x[at + 4u] = SCALE * fma(weight_columns(values, 4u), scale, minimum);
    x[at + 5u] = SCALE * fma(weight_columns(values, 5u), scale, minimum);
    x[at + 6u] = SCALE * fma(weight_columns(values, 6u), scale, minimum);
    x[at + 7u] = SCALE * fma(weight_columns(values, 7u), scale, minimum);
  }
}
