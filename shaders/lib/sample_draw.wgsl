//: file shaders/lib/sample_draw.wgsl
// Draws one of the elements of [row_start, row_end) that a cut keeps.
// Needs: lib/sample_weights.wgsl, lib/sample_cut.wgsl; WORKGROUP_SIZE, logit_at, id_at, ids, and
//        lane_values, lane_ids: numbers of each lane

var<workgroup> chosen_lane: atomic<u32>;

// How many of a lane's ties are kept, if the first `limit` of all lanes' are.
fn share_ties(lane: u32, tie_count: u32, limit: u32) -> u32 {
  lane_ids[lane] = tie_count;
  workgroupBarrier();
  if (lane == 0u) {
    var left_count = limit;
    for (var other = 0u; other < WORKGROUP_SIZE; other++) {
      let kept_count = min(lane_ids[other], left_count);
      lane_ids[other] = kept_count;
      left_count -= kept_count;
    }
  }
  workgroupBarrier();
  return lane_ids[lane];
}

// The lane in whose run the cumulated sum passes `share` of the total; leaves inclusive sums in
// lane_values. Rounding may let two runs claim the point: the lower one has it.
fn choose_lane(lane: u32, sum: f32, share: f32) -> u32 {
  lane_values[lane] = sum;
  if (lane == 0u) {
    atomicStore(&chosen_lane, WORKGROUP_SIZE - 1u);
  }
  workgroupBarrier();
  for (var stride = 1u; stride < WORKGROUP_SIZE; stride <<= 1u) {
    var before = 0.0;
    if (lane >= stride) {
      before = lane_values[lane - stride];
    }
    workgroupBarrier();
    lane_values[lane] += before;
    workgroupBarrier();
  }
  let wanted = share * lane_values[WORKGROUP_SIZE - 1u];
  if (sum > 0.0 && sum_before(lane) <= wanted && wanted < lane_values[lane]) {
    atomicMin(&chosen_lane, lane);
  }
  workgroupBarrier();
  return atomicLoad(&chosen_lane);
}

fn sum_before(lane: u32) -> f32 {
  if (lane == 0u) {
    return 0.0;
  }
  return lane_values[lane - 1u];
}

// Splits the elements into one run per lane, finds the run where the cumulated weight of the
// kept tokens passes `share` of their total, and in it the token.
fn draw(lane: u32, place: u32, share: f32, min_p: f32) {
  let last_cut = workgroupUniformLoad(&cut);
  let run_count = (row_end - row_start + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let run_start = min(row_start + lane * run_count, row_end);
  let run_end = min(run_start + run_count, row_end);
  var sum = 0.0;
  var tie_count = 0u;
  for (var i = run_start; i < run_end; i++) {
    let logit = logit_at(i);
    let weight = weight_of(logit);
    let key = ordered_key(logit);
    let is_likely = weight >= min_p || logit == top_logit;
    sum += select(0.0, weight, is_likely && key > last_cut.key);
    tie_count += select(0u, 1u, is_likely && key == last_cut.key);
  }
  var left_count = share_ties(lane, tie_count, last_cut.tie_count);
  if (left_count > 0u) {
    sum += f32(left_count) * weight_of(value_of_key(last_cut.key));
  }
  if (choose_lane(lane, sum, share) != lane) {
    return;
  }
  let wanted = share * lane_values[WORKGROUP_SIZE - 1u];
  var cumulated = sum_before(lane);
  var chosen = row_start;
  for (var i = run_start; i < run_end && cumulated <= wanted; i++) {
    let logit = logit_at(i);
    let weight = weight_of(logit);
    let key = ordered_key(logit);
    let is_tie = key == last_cut.key && left_count > 0u;
    let is_likely = weight > 0.0 && (weight >= min_p || logit == top_logit);
    if (is_likely && (key > last_cut.key || is_tie)) {
      left_count -= select(0u, 1u, is_tie);
      cumulated += weight;
      chosen = i;
    }
  }
  ids[place] = id_at(chosen);
}
