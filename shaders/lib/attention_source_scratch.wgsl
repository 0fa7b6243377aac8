//: file shaders/lib/attention_source_scratch.wgsl
// Sealed blocks of one segment of a sequence, unpacked to raw tiles in scratch memory.
// Twins: attention_source_arena.wgsl, attention_source_window.wgsl
// Needs: SOURCE_BINDING, BLOCKS_PER_SPLIT, BLOCKS_PER_SEGMENT (a multiple of it), TILE_WORDS

// [2]: first block of the segment, and a row
@group(0) @binding(SOURCE_BINDING) var<storage, read> segment: array<u32>;
@group(0) @binding(SOURCE_BINDING + 1u) var<storage, read> directory: array<Entry>;

fn first_block(row: Row, split: u32) -> u32 {
  return segment[0] + split * BLOCKS_PER_SPLIT;
}

fn end_block(row: Row, split: u32) -> u32 {
  return min(segment[0] + (split + 1u) * BLOCKS_PER_SPLIT, row.list_count);
}

fn partial_index(row: Row, split: u32) -> u32 {
  return segment[0] / BLOCKS_PER_SPLIT + split;
}

fn tile_word(row: Row, block: u32) -> u32 {
  return (block - segment[0]) * TILE_WORDS;
}

fn visible_tokens(row: Row, block: u32) -> u32 {
  return BLOCK_TOKENS;
}

// Tokens of a record; what its tile has behind them is not looked at.
fn token_count(row: Row, block: u32) -> u32 {
  return entry_token_count(directory[row.list_start + block]);
}
