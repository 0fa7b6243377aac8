//: file shaders/lib/sample_chunks.wgsl
// Chunks of a row of logits, and what is kept of each.
// Needs: lib/sample_lanes.wgsl

const CHUNK_TOKENS: u32 = 2048u;
const SLOT_COUNT: u32 = 128u; // candidates of a chunk that there is room for
const CANDIDATE_WEIGHT: f32 = 6.1035156e-5; // 2^-14 of the most likely token's: a candidate's least

override CHUNK_COUNT: u32 = (VOCAB_SIZE + CHUNK_TOKENS - 1u) / CHUNK_TOKENS; // of a row

struct Top {
  logit: f32,
  id: u32,
}

struct Chunk {
  top: Top, // of the whole row
  mass: f32, // of all tokens of the chunk
  candidate_mass: f32,
  candidate_count: u32, // may exceed SLOT_COUNT: then some have no slot
}
