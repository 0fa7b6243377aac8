//: file shaders/lib/weight_side_q6k.wgsl
// Side data of super-blocks of 256 columns with codes of 6 bits around 32 and a scale of 8 bits for
// each 16 columns: the super-block's scale as f16, two rows in a word; four words for each row with
// the scales; for each block of 32 columns the codes' fifth and sixth words.

// Of a lane's 4 outputs.
struct Shared {
  fifth: vec4<u32>,
  sixth: vec4<u32>,
  scales: vec4<u32>, // of both, in the low and the next byte
}

fn load_shared(group_block: u32, lane: u32) -> Shared {
  let block = group_block & 7u;
  let at = group_block / 8u * 164u + 4u + lane;
  let codes = at + 32u + block * 16u;
  let two_blocks = scales[at + block / 2u * 8u];
  return Shared(
    scales[codes],
    scales[codes + 8u],
    two_blocks >> vec4<u32>((block & 1u) * 16u),
  );
}

fn load_scales(group_block: u32, lane: u32) -> Scales {
  let pairs = scales[group_block / 8u * 164u + lane / 2u];
  return Scales(scale_of(pairs, lane), vec4<f32>(0.0));
}

// Scales of 16 columns are over SIGNED_BYTE.
fn scale_of(pairs: vec4<u32>, lane: u32) -> vec4<f32> {
  let words = select(pairs.xy, pairs.zw, (lane & 1u) > 0u);
  return SIGNED_BYTE * vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// What a subgroup that goes through the blocks loads on its way, all in one place, as each place
// takes time in every turn: before the first of two blocks their scales, before the last of a
// super-block its own.
struct Stream {
  loaded: vec4<u32>,
  of_block: vec4<u32>, // its scales
}

fn next_of(before: Stream, group_block: u32, lane: u32) -> Stream {
  let block = group_block & 7u;
  let is_first = (block & 1u) == 0u;
  var next = before;
  if (is_first || block == 7u) {
    let at = select(lane / 2u, 4u + block * 4u + lane, is_first);
    next.loaded = scales[group_block / 8u * 164u + at];
  }
  next.of_block = select(before.of_block >> vec4<u32>(16u), next.loaded, is_first);
  return next;
}

fn shared_of(stream: Stream, group_block: u32, lane: u32) -> Shared {
  let codes = group_block / 8u * 164u + 36u + (group_block & 7u) * 16u + lane;
  return Shared(scales[codes], scales[codes + 8u], stream.of_block);
}

// Of the super-block that ends.
fn unit_scale(stream: Stream, lane: u32) -> vec4<f32> {
  return scale_of(stream.loaded, lane);
}
