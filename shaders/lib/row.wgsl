//: file shaders/lib/row.wgsl
// Which token of which sequence a row is and what it reads, and entries of read lists.
// Twin: src/core/row.ts

struct Row {
  slot: u32,
  position: u32,
  list_start: u32, // of its read list in the directory
  list_count: u32, // records that it reads
  first_window_block: u32, // it reads the raw window from this block on
  id_index: u32,
  list_stride: u32, // entries from one KV head's read list to the next, 0 if they share one
  reach: u32, // newest tokens that it sees; then its records are those right before the window
}

struct Entry {
  record: u32, // its first word in the arena
  tokens: u32, // how many it holds, and 1 << 16 for a sequence's first block
}

// A row as one KV head reads it.
fn row_of_head(row: Row, kv_head: u32) -> Row {
  var own = row;
  own.list_start += kv_head * row.list_stride;
  return own;
}

fn entry_token_count(entry: Entry) -> u32 {
  return entry.tokens & 0xffffu;
}

fn is_first_block(entry: Entry) -> bool {
  return (entry.tokens >> 16u) == 1u;
}
