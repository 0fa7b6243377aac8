//: file shaders/matmul/parts/dot_packed.wgsl
// Sum of the products of four signed bytes, where a device multiplies them at once.
// Twin: dot_apart.wgsl

fn dot_of_bytes(a: u32, b: u32) -> i32 {
  return dot4I8Packed(a, b);
}
