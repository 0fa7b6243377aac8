//: file shaders/lib/expert_bundle.wgsl
// Rows that go through one expert together.

struct Bundle {
  visits: vec4<u32>, // row * experts of a row + rank; those beyond `count` repeat the first
  expert: u32,
  count: u32, // of visits; 0: nothing to do
}
