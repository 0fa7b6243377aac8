//: file shaders/attention_merge/head.wgsl
// attention_merge/head: joins the partial results (m, l, o) of a row's splits:
//   out[c] = sum over splits of exp(m_s - M) * o_s[c] / sum over splits of exp(m_s - M) * l_s
// where a head has a sink, exp(sink - M) joins the lower sum: a score without a value.
//
// Source:    arXiv:2205.14135, section 3.1; the joining step of Flash-Decoding
// Binds:     src/kernels/attention_merge/head.ts, which appends constants and lanes
// Reference: src/reference/attention_merge.ts
// Grid:      (query head, row); LANE_COUNT lanes, first one per split, then one per 2 channels
// Precision: f32
//
// Of what a query gets, channels OUT_FIRST to OUT_FIRST + OUT_SIZE are wanted.
//
// Markers: pair = of channels of a lane, ahead = splits whose loads are in flight together.
// has_sinks: if each head has a learned sink.

const LOWEST: f32 = -3.0e38;
const SPLIT_PAIRS: u32 = QUERY_SIZE / 2u + 1u; // of a partial result

@group(0) @binding(0) var<storage, read> rows: array<Row>;
// [row, head, split, QUERY_SIZE / 2 + 1]
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>; // [row, head, OUT_SIZE / 2]
//: if has_sinks
@group(0) @binding(3) var<storage, read> sinks: array<f32>; // [query heads]
//: end

var<workgroup> factors: array<f32, SPLIT_COUNT_MAX>;

fn run(workgroup: vec3<u32>) {
  let row = rows[workgroup.y];
  let sealed_splits = (row.list_count + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT;
  let window_tiles = row.position / BLOCK_TOKENS + 1u - row.first_window_block;
  let split_count = sealed_splits + window_tiles;
  let head = workgroup.y * QUERY_HEAD_COUNT + workgroup.x;
  let start = head * SPLIT_COUNT_MAX * SPLIT_PAIRS;

  var peak = LOWEST;
  for (var split = lane; split < split_count; split += LANE_COUNT) {
    peak = max(peak, partials[start + split * SPLIT_PAIRS].x);
  }
  peak = max_lane_floats(peak);
  //: if has_sinks
  let sink = sinks[workgroup.x];
  peak = max(peak, sink);
  //: end
  var total = 0.0;
  for (var split = lane; split < split_count; split += LANE_COUNT) {
    let partial = partials[start + split * SPLIT_PAIRS];
    let factor = exp(partial.x - peak);
    factors[split] = factor;
    total += factor * partial.y;
  }
  total = sum_lane_floats(total);
  //: if has_sinks
  total += exp(sink - peak);
  //: end
  workgroupBarrier();

  for (var first = lane; first < OUT_SIZE / 2u; first += PAIRS_AT_A_TIME * LANE_COUNT) {
    let pair${pair} = first + ${pair}u * LANE_COUNT;
    let place${pair} =
      start + 1u + OUT_FIRST / 2u + min(pair${pair}, OUT_SIZE / 2u - 1u);
    var sum${pair} = vec2<f32>(0.0);
    for (var split = 0u; split < split_count; split += SPLITS_AT_A_TIME) {
      let split${ahead} = min(split + ${ahead}u, split_count - 1u);
      let factor${ahead} = select(0.0, factors[split${ahead}], split + ${ahead}u < split_count);
      //: repeat ahead
      sum${pair} += factor${ahead} * partials[place${pair} + split${ahead} * SPLIT_PAIRS];
      //: end
    }
    //: repeat pair
    if (pair${pair} < OUT_SIZE / 2u) {
      out[head * (OUT_SIZE / 2u) + pair${pair}] = sum${pair} / total;
    }
    //: end
  }
}
