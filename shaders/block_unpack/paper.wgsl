// block_unpack/paper: one side (K or V) of packed blocks to raw f16 tiles, for prefill:
//   x[t, c] = (minimum + bits + zero_t) * scale_t, rounded to f16 and clipped to its range
//
// Source:    arXiv:2512.24449, section on fused decompression; record of src/codec/FORMAT.md
// Binds:     src/kernels/block_unpack/paper.ts, which appends constants, packs and lanes
// Reference: src/reference/block_unpack/paper.ts
// Grid:      (KV head, block of the segment); one workgroup of LANE_COUNT lanes
// Precision: integer codes, one f32 product, f16 out
//
// A unit is UNIT_TOKENS tokens of one pack row (two with packs of 4): 8 lanes load the packs of 8
// channels, then take 8 tokens, the packs go round by shuffles, and each lane writes 8 channels of
// its token.
// Markers: n = groups of 8 tokens of a unit, r = its pack rows, w = words of 8 channels, k = bit
// planes of widths.

const F16_MAX: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> rows: array<Row>; // row 0 is looked at
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
@group(0) @binding(3) var<storage, read> segment: array<u32>; // [1]: first block
@group(0) @binding(4) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment

var<workgroup> part_bits: array<u32, SECTION_PART_COUNT>; // payload bits of (pack row, 32 channels)

fn run(workgroup: vec3<u32>) {
  let block = segment[0] + workgroup.y;
  if (block >= rows[0].list_count) {
    return;
  }
  let record = directory[rows[0].list_start + block].record;
  let section = record + arena[record + SECTION_TABLE_WORD + workgroup.x];
  for (var part = lane; part < SECTION_PART_COUNT; part += LANE_COUNT) {
    let planes = section + part / (D / 32u) * PACK_WIDTH_BITS * (D / 32u) + part % (D / 32u);
    var bits = 0u;
    bits += PACK_SIZE * (countOneBits(arena[planes + $ku * (D / 32u)]) << $ku);
    part_bits[part] = bits;
  }
  workgroupBarrier();

  let lane8 = lane & 7u;
  let octet = lane - lane8; // first of this lane's 8 lanes
  let tile = (workgroup.y * 2u + SIDE) * (KV_HEAD_COUNT * D * 8u);
  for (var first_unit = 0u; first_unit < UNITS_PER_BLOCK; first_unit += LANE_COUNT / 8u) {
    let unit = first_unit + lane / 8u;
    let pack_row$r = unit * UNIT_TOKENS / PACK_SIZE + $ru;
    let token$n = unit * UNIT_TOKENS + $nu * 8u + lane8;
    let params$n = arena[record + PARAMS_WORD + token$n];
    let scale$n = unpack2x16float(params$n).x;
    let zero$n = i32(params$n) >> 16u;
    //: repeat r
    var start$r = 0u;
    for (var part = 0u; part < pack_row$r * (D / 32u); part += 1u) {
      start$r += part_bits[part];
    }
    //: end
    for (var part = 0u; part < D / 32u; part += 1u) {
      let side$r = load_pack_side(section, pack_row$r, part);
      let plane$r_$k = shuffle_word(side$r.planes, octet + $ku);
      for (var eight = 0u; eight < 4u; eight += 1u) {
        let channel = eight * 8u + lane8;
        //: repeat r
        var width$r = 0u;
        var before$r = 0u; // widths of the channels before this one
        width$r += ((plane$r_$k >> channel) & 1u) << $ku;
        before$r += countOneBits(plane$r_$k & ((1u << channel) - 1u)) << $ku;
        let mask$r = (1u << width$r) - 1u;
        let offset$r = start$r + before$r * PACK_SIZE + width$r * (unit * UNIT_TOKENS % PACK_SIZE);
        let chunk$r = load_pack_chunk(section + PACK_PAYLOAD_WORD, shuffle_word(offset$r, octet));
        let windows$r = pack_windows(chunk$r, section + PACK_PAYLOAD_WORD, offset$r, width$r);
        let minimum$r = pack_minimum(side$r, channel);
        //: end
        //: repeat n
        {
          var words = vec4<u32>(0u);
          //: repeat w
          let even$w = octet + 2u * $wu;
          let odd$w = octet + 2u * $wu + 1u;
          var low_code$w = 0u;
          var high_code$w = 0u;
          //: repeat r
          let low$w_$r = pack_code_$n(windows$r, even$w, shuffle_word(width$r, even$w));
          let high$w_$r = pack_code_$n(windows$r, odd$w, shuffle_word(width$r, odd$w));
          let low_bits$w_$r = low$w_$r & shuffle_word(mask$r, even$w);
          let high_bits$w_$r = high$w_$r & shuffle_word(mask$r, odd$w);
          low_code$w += code_of_row($ru, low_bits$w_$r + shuffle_word(minimum$r, even$w));
          high_code$w += code_of_row($ru, high_bits$w_$r + shuffle_word(minimum$r, odd$w));
          //: end
          let pair$w = vec2<f32>(vec2<i32>(i32(low_code$w), i32(high_code$w)) + zero$n) * scale$n;
          words[$w] = pack2x16float(clamp(pair$w, vec2<f32>(-F16_MAX), vec2<f32>(F16_MAX)));
          //: end
          tiles[tile + tile_place(workgroup.x, part * 4u + eight, token$n)] = words;
        }
        //: end
      }
      start$r += part_bits[pack_row$r * (D / 32u) + part];
    }
  }
}

// Place of 8 channels of one token in a side of a tile: K by 8 channels, V by tokens.
fn tile_place(kv_head: u32, eight: u32, token: u32) -> u32 {
  let key_place = (kv_head * (D / 8u) + eight) * 64u + token;
  let value_place = (kv_head * 64u + token) * (D / 8u) + eight;
  return select(key_place, value_place, SIDE == 1u);
}
