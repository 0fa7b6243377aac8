// matmul, plainly: one lane per output and row, one word of weights at a time. For 4 and 8 bits.

override COLUMN_COUNT: u32;
override OUTPUT_COUNT: u32;
override CODE_BITS: u32; // 4 or 8

@group(0) @binding(0) var<storage, read> weights: array<u32>; // src/kernels/weight_layout.ts
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>; // [rows, columns]
@group(0) @binding(3) var<storage, read_write> y: array<f32>; // [rows, outputs]

@compute @workgroup_size(32)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
) {
  let output = id.x;
  let row = id.y;
  let words_per_block = CODE_BITS; // 32 codes of CODE_BITS bits
  var total = 0.0;
  for (var block = 0u; block < COLUMN_COUNT / 32u; block++) {
    let group_block = (output / 32u) * (COLUMN_COUNT / 32u) + block;
    let scale = unpack2x16float(scales[group_block * 32u + (output & 31u)]);
    for (var word_index = 0u; word_index < words_per_block; word_index++) {
      let vector = ((group_block * 4u + (output & 3u)) * (words_per_block / 4u) + word_index / 4u) *
        8u + (output & 31u) / 4u;
      let word = weights[vector * 4u + (word_index & 3u)];
      let x_start = row * COLUMN_COUNT + block * 32u + word_index * 4u;
      for (var byte = 0u; byte < 4u; byte++) {
        if (CODE_BITS == 8u) {
          let code = f32(extractBits(bitcast<i32>(word), byte * 8u, 8u));
          total += (code * scale.x + scale.y) * x[x_start + byte];
        } else {
          let low = f32(extractBits(word, byte * 8u, 4u));
          let high = f32(extractBits(word, byte * 8u + 4u, 4u));
          total += (low * scale.x + scale.y) * x[x_start + byte];
          total += (high * scale.x + scale.y) * x[x_start + 16u + byte];
        }
      }
    }
  }
  y[row * OUTPUT_COUNT + output] = total;
}
