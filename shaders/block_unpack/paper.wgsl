//: file shaders/block_unpack/paper.wgsl
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
// Markers: eight = groups of 8 tokens of a unit, row = its pack rows, word = of 8 channels, bit =
// planes of widths.

const F16_MAX: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(1) var<storage, read> arena: array<u32>; // records
@group(0) @binding(2) var<storage, read> directory: array<Entry>; // read lists
// [2]: first block; row whose list it is of
@group(0) @binding(3) var<storage, read> segment: array<u32>;
@group(0) @binding(4) var<storage, read_write> tiles: array<vec4<u32>>; // raw tiles of the segment

var<workgroup> part_bits: array<u32, SECTION_PART_COUNT>; // payload bits of (pack row, 32 channels)

fn run(workgroup: vec3<u32>) {
  let block = segment[0] + workgroup.y;
  if (block >= rows[segment[1]].list_count) {
    return;
  }
  let record = directory[rows[segment[1]].list_start + block].record;
  let section = record + arena[record + SECTION_TABLE_WORD + workgroup.x];
  for (var part = lane; part < SECTION_PART_COUNT; part += LANE_COUNT) {
    let planes = section + part / (D / 32u) * PACK_WIDTH_BITS * (D / 32u) + part % (D / 32u);
    var bits = 0u;
    bits += PACK_SIZE * (countOneBits(arena[planes + ${bit}u * (D / 32u)]) << ${bit}u);
    part_bits[part] = bits;
  }
  workgroupBarrier();

  let lane8 = lane & 7u;
  let octet = lane - lane8; // first of this lane's 8 lanes
  let tile = (workgroup.y * 2u + SIDE) * (KV_HEAD_COUNT * D * (BLOCK_TOKENS / 8u));
  for (var first_unit = 0u; first_unit < UNITS_PER_BLOCK; first_unit += LANE_COUNT / 8u) {
    let unit = first_unit + lane / 8u;
    let pack_row${row} = unit * UNIT_TOKENS / PACK_SIZE + ${row}u;
    let token${eight} = unit * UNIT_TOKENS + ${eight}u * 8u + lane8;
    let params${eight} = arena[record + PARAMS_WORD + token${eight}];
    let scale${eight} = unpack2x16float(params${eight}).x;
    let zero${eight} = i32(params${eight}) >> 16u;
    //: repeat row
    var start${row} = 0u;
    for (var part = 0u; part < pack_row${row} * (D / 32u); part += 1u) {
      start${row} += part_bits[part];
    }
    //: end
    for (var part = 0u; part < D / 32u; part += 1u) {
      let side${row} = load_pack_side(section, pack_row${row}, part);
      let plane${row}_${bit} = shuffle_word(side${row}.planes, octet + ${bit}u);
      for (var eight = 0u; eight < 4u; eight += 1u) {
        let channel = eight * 8u + lane8;
        //: repeat row
        var width${row} = 0u;
        var before${row} = 0u; // widths of the channels before this one
        width${row} += ((plane${row}_${bit} >> channel) & 1u) << ${bit}u;
        before${row} += countOneBits(plane${row}_${bit} & ((1u << channel) - 1u)) << ${bit}u;
        let mask${row} = (1u << width${row}) - 1u;
        let offset${row} =
          start${row} + before${row} * PACK_SIZE + width${row} * (unit * UNIT_TOKENS % PACK_SIZE);
        let chunk${row} =
          load_pack_chunk(section + PACK_PAYLOAD_WORD, shuffle_word(offset${row}, octet));
        let windows${row} =
          pack_windows(chunk${row}, section + PACK_PAYLOAD_WORD, offset${row}, width${row});
        let minimum${row} = pack_minimum(side${row}, channel);
        //: end
        //: repeat eight
        {
          var words = vec4<u32>(0u);
          //: repeat word
          let even${word} = octet + 2u * ${word}u;
          let odd${word} = octet + 2u * ${word}u + 1u;
          var low_code${word} = 0u;
          var high_code${word} = 0u;
          //: repeat row
          let low${word}_${row} =
            pack_code_${eight}(windows${row}, even${word}, shuffle_word(width${row}, even${word}));
          let high${word}_${row} =
            pack_code_${eight}(windows${row}, odd${word}, shuffle_word(width${row}, odd${word}));
          let low_bits${word}_${row} = low${word}_${row} & shuffle_word(mask${row}, even${word});
          let high_bits${word}_${row} = high${word}_${row} & shuffle_word(mask${row}, odd${word});
          low_code${word} +=
            code_of_row(${row}u, low_bits${word}_${row} + shuffle_word(minimum${row}, even${word}));
          high_code${word} +=
            code_of_row(${row}u, high_bits${word}_${row} + shuffle_word(minimum${row}, odd${word}));
          //: end
          let pair${word} =
            vec2<f32>(vec2<i32>(i32(low_code${word}), i32(high_code${word})) + zero${eight}) *
              scale${eight};
          words[${word}] =
            pack2x16float(clamp(pair${word}, vec2<f32>(-F16_MAX), vec2<f32>(F16_MAX)));
          //: end
          tiles[tile + tile_place(workgroup.x, part * 4u + eight, token${eight})] = words;
        }
        //: end
      }
      start${row} += part_bits[pack_row${row} * (D / 32u) + part];
    }
  }
}

// Place of 8 channels of one token in a side of a tile: K by 8 channels, V by tokens.
fn tile_place(kv_head: u32, eight: u32, token: u32) -> u32 {
  let key_place = (kv_head * (D / 8u) + eight) * BLOCK_TOKENS + token;
  let value_place = (kv_head * BLOCK_TOKENS + token) * (D / 8u) + eight;
  return select(key_place, value_place, SIDE == 1u);
}
