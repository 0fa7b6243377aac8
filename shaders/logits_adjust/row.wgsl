//: file shaders/logits_adjust/row.wgsl
// logits_adjust/row: adjusted[row, id] = logits[row, id], changed as the row's slot asks
//
// Source:    Keskar et al. 2019, arXiv:1909.05858 (repetition); OpenAI's API (the others)
// Binds:     src/kernels/logits_adjust/row.ts
// Reference: src/reference/logits_adjust.ts
// Grid:      one workgroup per row; WORKGROUP_SIZE threads stride over the vocabulary
// Precision: f32
//
// In this order: a token that occurred before has its logit divided (if positive) or multiplied (if
// not) by `repetition`; a generated one loses `frequency` for each time and `presence` once; a
// masked one becomes impossible; `bias` is added. The token a decode row feeds is counted here,
// since the step before sampled it and only the GPU knows it yet.

override WORKGROUP_SIZE: u32 = 64u;
override VOCAB_SIZE: u32;
override MASK_WORD_COUNT: u32; // words of a mask
override BIAS_COUNT_MAX: u32; // entries of a slot's bias

const IMPOSSIBLE: f32 = -3.4028234e38;
const NO_TOKEN: u32 = 0xffffffffu;

struct Settings {
  repetition: f32,
  frequency: f32,
  presence: f32,
  flags: u32,
  bias_count: u32,
  unused: array<u32, 3>,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>; // [rows, vocab]
@group(0) @binding(1) var<storage, read> rows: array<vec4<u32>>; // [rows] slot, _, feeds?, mask
@group(0) @binding(2) var<storage, read> settings_of: array<Settings>; // [slots]
@group(0) @binding(3) var<storage, read> ids: array<u32>; // [slots] the token fed
@group(0) @binding(4) var<storage, read> mask: array<u32>; // [masks, mask words] bit set: allowed
@group(0) @binding(5) var<storage, read> bias: array<vec2<u32>>; // [slots, entries] id, f32
@group(0) @binding(6) var<storage, read_write> counts: array<u32>; // [slots, vocab]
@group(0) @binding(7) var<storage, read_write> adjusted: array<f32>; // [rows, vocab]

// What penalties leave of a logit; `count` is IN_PROMPT plus the times it was generated.
fn penalised(logit: f32, count: u32, settings: Settings) -> f32 {
  if (count == 0u) {
    return logit;
  }
  var value = select(logit * settings.repetition, logit / settings.repetition, logit > 0.0);
  let times = count & ~IN_PROMPT;
  if (times > 0u) {
    value -= settings.presence + settings.frequency * f32(times);
  }
  return value;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = rows[workgroup_id.x];
  let slot = row.x;
  let settings = settings_of[slot];
  let row_start = workgroup_id.x * VOCAB_SIZE;
  let slot_start = slot * VOCAB_SIZE;
  let fed_id = select(NO_TOKEN, ids[slot], row.z == 1u);
  let has_counts = (settings.flags & COUNTS_FLAG) != 0u;
  let has_mask = (settings.flags & MASK_FLAG) != 0u;
  for (var id = lane; id < VOCAB_SIZE; id += WORKGROUP_SIZE) {
    var value = logits[row_start + id];
    if (has_counts) {
      var count = counts[slot_start + id];
      if (id == fed_id) {
        count += 1u;
        counts[slot_start + id] = count;
      }
      value = penalised(value, count, settings);
    }
    if (has_mask) {
      let word = mask[row.w * MASK_WORD_COUNT + (id >> 5u)];
      value = select(IMPOSSIBLE, value, ((word >> (id & 31u)) & 1u) == 1u);
    }
    adjusted[row_start + id] = value;
  }
  storageBarrier();
  for (var i = lane; i < settings.bias_count; i += WORKGROUP_SIZE) {
    let entry = bias[slot * BIAS_COUNT_MAX + i]; // no two entries name one id
    adjusted[row_start + entry.x] += bitcast<f32>(entry.y);
  }
}
