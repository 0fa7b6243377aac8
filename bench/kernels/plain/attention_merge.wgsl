// attention_merge, plainly: a lane per channel goes over all splits twice.

override D: u32;
override BLOCKS_PER_SPLIT: u32;
override SPLIT_COUNT_MAX: u32;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [row, head, D]

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, // query head, row
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup.y];
  let sealed_splits = (row.list_count + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let split_count = sealed_splits + row.position / 64u + 1u - row.first_window_block;
  let head = workgroup.y * grid.x + workgroup.x;
  for (var channel = lane; channel < D; channel += 32u) {
    var peak = -3.0e38;
    for (var split = 0u; split < split_count; split++) {
      peak = max(peak, partials[(head * SPLIT_COUNT_MAX + split) * (D + 2u)]);
    }
    var total = 0.0;
    var sum = 0.0;
    for (var split = 0u; split < split_count; split++) {
      let start = (head * SPLIT_COUNT_MAX + split) * (D + 2u);
      let factor = exp(partials[start] - peak);
      total += factor * partials[start + 1u];
      sum += factor * partials[start + 2u + channel];
    }
    out[head * D + channel] = sum / total;
  }
}
