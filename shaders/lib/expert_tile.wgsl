//: file shaders/lib/expert_tile.wgsl
// Rows that go through one expert together.

struct Tile {
  entries: vec4<u32>, // row * experts of a row + rank; those beyond `count` repeat the first
  expert: u32,
  count: u32, // of entries; 0: nothing to do
}
