//: file shaders/lib/row_reach.wgsl
// What a row that sees its newest tokens only does not see of its records.
// Twin:  src/core/row.ts
// Needs: BLOCK_TOKENS, lib/row.wgsl

// Tokens of the records of its list from one on that a row does not see.
fn hidden_count(row: Row, index: u32) -> u32 {
  let first = (row.first_window_block - row.list_count + index) * BLOCK_TOKENS;
  let seen = row.position + 1u;
  return max(seen, first + row.reach) - row.reach - first;
}
