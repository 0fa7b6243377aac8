//: file shaders/lib/attention_source_arena.wgsl
// Raw tiles of sealed blocks, found through read lists and all of them visible: profile `exact`.
// Twin:  attention_source_window.wgsl
// Needs: SOURCE_BINDING, BLOCKS_PER_SPLIT

@group(0) @binding(SOURCE_BINDING) var<storage, read> directory: array<Entry>;

fn first_block(row: Row, split: u32) -> u32 {
  return split * BLOCKS_PER_SPLIT;
}

fn end_block(row: Row, split: u32) -> u32 {
  return min((split + 1u) * BLOCKS_PER_SPLIT, row.list_count);
}

fn partial_index(row: Row, split: u32) -> u32 {
  return split;
}

fn tile_word(row: Row, block: u32) -> u32 {
  return directory[row.list_start + block].record;
}

fn visible_tokens(row: Row, block: u32) -> u32 {
  return BLOCK_TOKENS;
}

// Tokens of a record; what its tile has behind them is not looked at.
fn token_count(row: Row, block: u32) -> u32 {
  return entry_token_count(directory[row.list_start + block]);
}
