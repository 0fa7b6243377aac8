//: file shaders/lib/expert_bundle.wgsl
// Rows that go through one expert together: up to 4 * VISIT_VECTORS, a constant put beside this.

struct Bundle {
  // Row * experts of a row + rank; in place of those that a first four lacks, the first.
  visits: array<vec4<u32>, VISIT_VECTORS>,
  expert: u32,
  count: u32, // of visits; 0: nothing to do
}

// The same by words: visits from the first on, then:
const EXPERT_WORD = 4u * VISIT_VECTORS;
const COUNT_WORD = EXPERT_WORD + 1u;
const BUNDLE_WORDS = EXPERT_WORD + 4u;
