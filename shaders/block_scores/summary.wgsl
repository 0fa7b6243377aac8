//: file shaders/block_scores/summary.wgsl
// block_scores/summary: how much a row's queries of a KV head can care for each block it reads, the
// largest over the heads of the group:
//   of ranges:   score = max over heads of sum over c of max(q[c] * least[c], q[c] * largest[c])
//   of clusters: score = max over heads and both clusters of dot(q, mean of the cluster)
//
// Source:    Quest, arXiv:2406.10774, section 3.3; ClusterKV, arXiv:2412.03213, section 3.3
// Binds:     src/kernels/block_scores/summary.ts, which appends constants, queries and lanes
// Reference: src/reference/block_scores.ts
// Grid:      (BLOCKS_AT_A_TIME blocks, KV head, row); LANE_COUNT lanes over the channels
// Precision: f32 queries, f16 summaries, f32 accumulate
//
// Markers: queries = vectors of queries.
// has_ranges: if summaries are ranges; else they are clusters.

@group(0) @binding(0) var<storage, read> q: array<f32>; // [rows, query heads * D]
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> summaries: array<u32>; // [entry, KV head, D]: f16 pairs
@group(0) @binding(3) var<storage, read_write> scores: array<f32>; // [row, KV head, LIST_MAX]

// Place of query `index` of a workgroup among all rows' query heads.
fn query_place(workgroup: vec3<u32>, index: u32) -> u32 {
  return workgroup.z * QUERY_HEAD_COUNT + workgroup.y * GROUP_SIZE + index;
}

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.z];
  let first = workgroup.x * BLOCKS_AT_A_TIME;
  let end = min(first + BLOCKS_AT_A_TIME, row.list_count);
  for (var block = first; block < end; block += 1u) {
    let summary = ((row.list_start + block) * KV_HEAD_COUNT + workgroup.y) * D;
    var sum${queries} = Heads(0.0);
    //: if has_ranges
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let pair = unpack2x16float(summaries[summary + channel]);
      let query${queries} = load_query_${queries}(workgroup, channel);
      sum${queries} += max(query${queries} * pair.x, query${queries} * pair.y);
    }
    sum${queries} = sum_lanes(sum${queries});
    //: else
    var other${queries} = Heads(0.0);
    for (var channel = lane; channel < D; channel += LANE_COUNT) {
      let pair = unpack2x16float(summaries[summary + channel]);
      let query${queries} = load_query_${queries}(workgroup, channel);
      sum${queries} += query${queries} * pair.x;
      other${queries} += query${queries} * pair.y;
    }
    sum${queries} = sum_lanes(sum${queries});
    other${queries} = sum_lanes(other${queries});
    sum${queries} = max(sum${queries}, other${queries});
    //: end
    var score = sum0.x;
    score = max(score, largest_of_${queries}(sum${queries}));
    if (lane == 0u) {
      scores[(workgroup.z * KV_HEAD_COUNT + workgroup.y) * LIST_MAX + block] = score;
    }
  }
}
