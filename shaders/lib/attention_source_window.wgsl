// Raw tiles of the window: a split is one tile of the ring, seen up to the row's own position.
// Twin:  attention_source_arena.wgsl
// Needs: BLOCKS_PER_SPLIT, TILE_WORDS, WINDOW_TILE_COUNT

fn first_block(row: vec4<u32>, split: u32) -> u32 {
  return row.z + split;
}

fn end_block(row: vec4<u32>, split: u32) -> u32 {
  return min(row.z + split + 1u, row.y / 64u + 1u);
}

// The window's splits follow those of the sealed blocks.
fn partial_index(row: vec4<u32>, split: u32) -> u32 {
  return (row.z + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT + split;
}

fn tile_word(row: vec4<u32>, block: u32) -> u32 {
  return (row.x * WINDOW_TILE_COUNT + block % WINDOW_TILE_COUNT) * TILE_WORDS;
}

// Tokens 0 to this - 1 of the tile are visible; at least 1.
fn visible_tokens(row: vec4<u32>, block: u32) -> u32 {
  return min(64u, row.y + 1u - 64u * block);
}
