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
  let words = select(pairs.xy, pairs.zw, (lane & 1u) > 0u);
  let scale = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
  return Scales(SIGNED_BYTE * scale, vec4<f32>(0.0)); // scales of 16 columns are over it
}

// Of a super-block: its scale, and the scales of two blocks each.
struct Unit {
  scale: vec4<f32>,
  of_blocks: array<vec4<u32>, 4>,
}

fn load_unit(unit: u32, lane: u32) -> Unit {
  let at = unit * 164u + 4u + lane;
  let of_blocks = array<vec4<u32>, 4>(
    scales[at],
    scales[at + 8u],
    scales[at + 16u],
    scales[at + 24u],
  );
  return Unit(load_scales(unit * 8u, lane).scale, of_blocks);
}

fn shared_of(unit: Unit, group_block: u32, lane: u32) -> Shared {
  let block = group_block & 7u;
  let codes = group_block / 8u * 164u + 36u + lane + block * 16u;
  let is_odd_pair = (block & 2u) > 0u;
  let early = select(unit.of_blocks[0], unit.of_blocks[1], is_odd_pair);
  let late = select(unit.of_blocks[2], unit.of_blocks[3], is_odd_pair);
  let two_blocks = select(early, late, block > 3u);
  return Shared(scales[codes], scales[codes + 8u], two_blocks >> vec4<u32>((block & 1u) * 16u));
}

fn scales_of(unit: Unit, block: u32) -> Scales {
  return Scales(unit.scale, vec4<f32>(0.0));
}
