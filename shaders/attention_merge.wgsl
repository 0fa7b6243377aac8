// attention_merge: joins the partial results (m, l, o) of a row's splits:
//   out[c] = sum over splits of exp(m_s - M) * o_s[c] / sum over splits of exp(m_s - M) * l_s
//
// Source:    arXiv:2205.14135, section 3.1; the joining step of Flash-Decoding
// Binds:     src/kernels/attention_merge.ts
// Reference: src/reference/attention_merge.ts
// Grid:      (query head, row); WORKGROUP_SIZE threads, first one per split, then one per channel
// Precision: f32

override WORKGROUP_SIZE: u32 = 32u; // power of two
override D: u32; // channels per head
override BLOCKS_PER_SPLIT: u32; // sealed blocks of a split
override SPLIT_COUNT_MAX: u32;
override LOWEST: f32 = -3.0e38;

@group(0) @binding(0) var<storage, read> rows: array<vec4<u32>>; // slot, position, blocks, -
@group(0) @binding(1) var<storage, read> partials: array<f32>; // [row, head, split, D + 2]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [row, head, D]

var<workgroup> reduced: array<f32, WORKGROUP_SIZE>;
var<workgroup> factors: array<f32, SPLIT_COUNT_MAX>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) workgroup_count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup_id.y];
  let sealed_splits = (row.z + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let split_count = sealed_splits + row.y / 64u + 1u - row.z; // the window's tiles follow
  let head = workgroup_id.y * workgroup_count.x + workgroup_id.x;
  let start = head * SPLIT_COUNT_MAX * (D + 2u);

  var peak = LOWEST;
  for (var split = lane; split < split_count; split += WORKGROUP_SIZE) {
    peak = max(peak, partials[start + split * (D + 2u)]);
  }
  reduced[lane] = peak;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      reduced[lane] = max(reduced[lane], reduced[lane + stride]);
    }
    workgroupBarrier();
  }
  peak = reduced[0];
  workgroupBarrier();

  var total = 0.0;
  for (var split = lane; split < split_count; split += WORKGROUP_SIZE) {
    let factor = exp(partials[start + split * (D + 2u)] - peak);
    factors[split] = factor;
    total += factor * partials[start + split * (D + 2u) + 1u];
  }
  reduced[lane] = total;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (lane < stride) {
      reduced[lane] += reduced[lane + stride];
    }
    workgroupBarrier();
  }
  let scale = 1.0 / reduced[0];
  for (var channel = lane; channel < D; channel += WORKGROUP_SIZE) {
    var sum = 0.0;
    for (var split = 0u; split < split_count; split += 1u) {
      sum += factors[split] * partials[start + split * (D + 2u) + 2u + channel];
    }
    out[head * D + channel] = sum * scale;
  }
}
