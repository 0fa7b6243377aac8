// Raw tiles of sealed blocks, found through the directory and wholly visible: profile `exact`.
// Twin:  attention_source_window.wgsl
// Needs: SOURCE_BINDING, BLOCKS_PER_SPLIT, BLOCK_COUNT_MAX

// [slot][BLOCK_COUNT_MAX]
@group(0) @binding(SOURCE_BINDING) var<storage, read> directory: array<u32>;

fn first_block(row: vec4<u32>, split: u32) -> u32 {
  return split * BLOCKS_PER_SPLIT;
}

fn end_block(row: vec4<u32>, split: u32) -> u32 {
  return min((split + 1u) * BLOCKS_PER_SPLIT, row.z);
}

fn partial_index(row: vec4<u32>, split: u32) -> u32 {
  return split;
}

fn tile_word(row: vec4<u32>, block: u32) -> u32 {
  return directory[row.x * BLOCK_COUNT_MAX + block];
}

fn visible_tokens(row: vec4<u32>, block: u32) -> u32 {
  return 64u;
}
