//: file shaders/lib/attention_position.wgsl
// Positions of the tokens of a tile, for rows that see their newest tokens only.
// Used by: attention_raw_tiles.wgsl, attention_many_queries.wgsl
// Needs:   BLOCK_TOKENS; with has_list a source with read lists and SINK_COUNT
// has_list: if tiles are found through read lists.

fn token_position(row: Row, block: u32, token: u32) -> u32 {
  //: if has_list
  // The records of such a row end where the window begins. The tile of a sequence's first block has
  // its sinks last.
  let first = (row.first_window_block - row.list_count + block) * BLOCK_TOKENS;
  let sink_count = select(0u, SINK_COUNT, is_first_block(directory[row.list_start + block]));
  return first + (token + sink_count) % BLOCK_TOKENS;
  //: else
  return block * BLOCK_TOKENS + token;
  //: end
}
