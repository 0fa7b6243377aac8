//: file shaders/lib/sample_cut.wgsl
// Search of the cut of a row: the key where the count or the mass of the tokens above it reaches a
// target. Nothing is sorted: each pass over the row counts 16 thresholds at once and keeps the
// interval between two of them, so 3 to 5 passes are usual and 9 the most.
// Needs: lib/sample_weights.wgsl; WORKGROUP_SIZE, row_start, row_end, and load_4(index), four
//        elements of which those outside of the row are LOWEST

const MASS_ONE: f32 = 2147483648.0; // the whole mass, in the units of `masses`
const NO_LIMIT: u32 = 0xffffffffu;

// Kept are the keys above `key`, and `tie_count` of those equal to it, lowest ids first.
struct Cut {
  key: u32,
  tie_count: u32,
  mass: u32, // of what is kept
}

var<workgroup> cut: Cut;

fn ordered_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn value_of_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u));
}

fn first_4() -> u32 {
  return row_start >> 2u;
}

fn end_4() -> u32 {
  return (row_end + 3u) >> 2u;
}

// The cut lies in [low, high); what is at `high` and above is kept.
struct Search {
  low: u32,
  high: u32,
  kept_count: u32,
  kept_mass: u32,
  is_done: u32,
}

var<workgroup> thresholds: array<vec4<u32>, 4>; // ascending
var<workgroup> counts: array<atomic<u32>, 16>; // tokens in [threshold, high)
var<workgroup> masses: array<atomic<u32>, 16>;
var<workgroup> search: Search;

fn ordered_keys(values: vec4<f32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(values);
  return select(bits | vec4<u32>(0x80000000u), ~bits, bits >= vec4<u32>(0x80000000u));
}

// Starts a search below the top key. The first thresholds are spaced for logits: 32 below the top,
// then nearer by sqrt(2) each, so that one pass finds the scale of the cut.
fn begin_search(low: u32) {
  let high = ordered_key(top_logit) + 1u;
  search = Search(low, high, 0u, 0u, 0u);
  var distance = 32.0;
  for (var j = 0u; j < 16u; j++) {
    var threshold = low;
    if (j > 0u) {
      threshold = clamp(ordered_key(top_logit - distance), low, high);
      distance *= 0.70710678;
    }
    thresholds[j >> 2u][j & 3u] = threshold;
    atomicStore(&counts[j], 0u);
    atomicStore(&masses[j], 0u);
  }
}

// Counts tokens and mass of the interval above each threshold.
fn count_above(lane: u32, low: u32, high: u32, mass_scale: f32) {
  let t0 = thresholds[0];
  let t1 = thresholds[1];
  let t2 = thresholds[2];
  let t3 = thresholds[3];
  var c0 = vec4<u32>(0u);
  var c1 = vec4<u32>(0u);
  var c2 = vec4<u32>(0u);
  var c3 = vec4<u32>(0u);
  var m0 = vec4<f32>(0.0);
  var m1 = vec4<f32>(0.0);
  var m2 = vec4<f32>(0.0);
  var m3 = vec4<f32>(0.0);
  for (var i = first_4() + lane; i < end_4(); i += WORKGROUP_SIZE) {
    let values = load_4(i);
    let keys = ordered_keys(values);
    let is_in = (keys >= vec4<u32>(low)) & (keys < vec4<u32>(high));
    if (any(is_in)) {
      let weights = select(vec4<f32>(0.0), weights_of(values), is_in);
      let inside = select(vec4<u32>(0u), keys, is_in); // thresholds are above 0
      for (var c = 0u; c < 4u; c++) {
        let key = vec4<u32>(inside[c]);
        let weight = vec4<f32>(weights[c]);
        c0 += select(vec4<u32>(0u), vec4<u32>(1u), key >= t0);
        c1 += select(vec4<u32>(0u), vec4<u32>(1u), key >= t1);
        c2 += select(vec4<u32>(0u), vec4<u32>(1u), key >= t2);
        c3 += select(vec4<u32>(0u), vec4<u32>(1u), key >= t3);
        m0 += select(vec4<f32>(0.0), weight, key >= t0);
        m1 += select(vec4<f32>(0.0), weight, key >= t1);
        m2 += select(vec4<f32>(0.0), weight, key >= t2);
        m3 += select(vec4<f32>(0.0), weight, key >= t3);
      }
    }
  }
  add_counts(0u, c0, m0 * mass_scale);
  add_counts(4u, c1, m1 * mass_scale);
  add_counts(8u, c2, m2 * mass_scale);
  add_counts(12u, c3, m3 * mass_scale);
}

// Sums of integers do not depend on the order in which lanes arrive.
fn add_counts(first: u32, count: vec4<u32>, mass: vec4<f32>) {
  if (count.x == 0u) {
    return; // the lowest threshold of the four counts most
  }
  for (var j = 0u; j < 4u; j++) {
    atomicAdd(&counts[first + j], count[j]);
    atomicAdd(&masses[first + j], u32(mass[j] + 0.5));
  }
}

// Narrows the search to the interval of the cut and sets the next thresholds, or the cut itself.
fn narrow(target_count: u32, target_mass: u32, by_count: bool) {
  var chosen = 0u;
  for (var j = 1u; j < 16u; j++) {
    let has_count = search.kept_count + atomicLoad(&counts[j]) >= target_count;
    let has_mass = search.kept_mass + atomicLoad(&masses[j]) >= target_mass;
    chosen = select(chosen, j, select(has_mass, has_count, by_count));
  }
  let low = thresholds[chosen >> 2u][chosen & 3u];
  var high = search.high;
  var above_count = 0u;
  var above_mass = 0u;
  if (chosen < 15u) {
    let next = chosen + 1u;
    high = thresholds[next >> 2u][next & 3u];
    above_count = atomicLoad(&counts[next]);
    above_mass = atomicLoad(&masses[next]);
  }
  let in_count = atomicLoad(&counts[chosen]) - above_count;
  let in_mass = max(atomicLoad(&masses[chosen]), above_mass) - above_mass;
  search.low = low;
  search.high = high;
  search.kept_count += above_count;
  search.kept_mass += above_mass;
  let is_exact = by_count && search.kept_count + in_count == target_count;
  if (in_count <= 1u || is_exact) {
    search.is_done = 1u;
    cut = Cut(low, NO_LIMIT, search.kept_mass + in_mass);
  } else if (high - low <= 1u) {
    search.is_done = 1u;
    var tie_count = target_count - search.kept_count;
    if (!by_count) {
      let missing = f32(target_mass - search.kept_mass) / f32(max(in_mass, 1u));
      tie_count = clamp(u32(ceil(missing * f32(in_count))), 1u, in_count);
    }
    let tie_mass = u32(f32(in_mass) * (f32(tie_count) / f32(in_count)));
    cut = Cut(low, tie_count, search.kept_mass + tie_mass);
  }
  let step = max(1u, (high - low) >> 4u);
  for (var j = 0u; j < 16u; j++) {
    thresholds[j >> 2u][j & 3u] = min(low + j * step, high);
    atomicStore(&counts[j], 0u);
    atomicStore(&masses[j], 0u);
  }
}

// Moves the cut to where the count or the mass of what is above reaches its target.
fn find_cut(lane: u32, mass_scale: f32, settings: Settings, by_count: bool) {
  let before = workgroupUniformLoad(&cut);
  let target_mass = u32(f32(before.mass) * settings.top_p);
  if (lane == 0u) {
    begin_search(max(before.key, 1u));
  }
  var state = workgroupUniformLoad(&search);
  while (state.is_done == 0u) {
    count_above(lane, state.low, state.high, mass_scale);
    workgroupBarrier();
    if (lane == 0u) {
      narrow(settings.top_k, target_mass, by_count);
    }
    state = workgroupUniformLoad(&search);
  }
  if (lane == 0u && cut.key == before.key) {
    cut.tie_count = min(cut.tie_count, before.tie_count);
  }
  workgroupBarrier();
}
