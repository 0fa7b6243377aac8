//: file shaders/lib/attention_source_window.wgsl
// Raw tiles of the window: a split is one tile of the ring, seen up to the row's own position.
// Twin:  attention_source_arena.wgsl
// Needs: BLOCKS_PER_SPLIT, TILE_WORDS, WINDOW_TILE_COUNT

fn first_block(row: Row, split: u32) -> u32 {
  return row.first_window_block + split;
}

fn end_block(row: Row, split: u32) -> u32 {
  return min(row.first_window_block + split + 1u, row.position / BLOCK_TOKENS + 1u);
}

// The window's splits follow those of the sealed blocks.
fn partial_index(row: Row, split: u32) -> u32 {
  return (row.list_count + BLOCKS_PER_SPLIT - 1u) / BLOCKS_PER_SPLIT + split;
}

fn tile_word(row: Row, block: u32) -> u32 {
  return (row.slot * WINDOW_TILE_COUNT + block % WINDOW_TILE_COUNT) * TILE_WORDS;
}

// Tokens 0 to this - 1 of the tile are visible; at least 1.
fn visible_tokens(row: Row, block: u32) -> u32 {
  return min(BLOCK_TOKENS, row.position + 1u - BLOCK_TOKENS * block);
}

fn token_count(row: Row, block: u32) -> u32 {
  return BLOCK_TOKENS;
}
