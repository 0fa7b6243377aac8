//: file shaders/lib/weight_unshared.wgsl
// For weight formats whose codes need nothing of the side data.

alias Shared = u32;

fn load_shared(group_block: u32, lane: u32) -> Shared {
  return 0u;
}
