//: file shaders/matmul/codes_tile.wgsl
// matmul/codes_tile: what matmul/rows makes with parts/by_codes.wgsl, for the many rows of a slice:
// codes of a weight are put together once for TOKEN_COUNT rows of x
//
// Source:    tiles in shared memory and registers as in CUTLASS
// Binds:     src/kernels/matmul/codes_tile.ts, which appends texts of matmul/parts and lib:
//            codes_tile        what one workgroup sums
//            weight_*          the format of the weight
//            dot_*             how four bytes are multiplied
//            norm_none         the norm is in the scales of x
//            output_*          what is done with y
// Reference: src/reference/matmul.ts
// Grid:      [tiles of TOKEN_COUNT rows of x, pairs of groups of 32 outputs]
// Precision: integers are exact; a block of 32 columns is scaled once, in f32
//
// Markers: token (rows of x of a thread).

override OUTPUT_COUNT: u32; // rows of the whole weight
override OUTPUT_START: u32 = 0u; // first row of the part of the weight that is bound
override GROUP_COUNT: u32; // groups of 32 rows of that part

// Where the tile's rows and outputs are.
struct Place {
  row: u32,
  row_count: u32,
  group: u32,
}

fn group_block(place: Place, group: u32, block: u32) -> u32 {
  return min(place.group + group, GROUP_COUNT - 1u) * BLOCK_COUNT + block;
}

fn x_block(place: Place, row: u32, block: u32) -> u32 {
  return min(place.row + row, place.row_count - 1u) * BLOCK_COUNT + block;
}

fn has_rows(place: Place, column: u32) -> bool {
  return true; // of a slice nearly all are there
}

@compute @workgroup_size(THREAD_COUNT)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let row_count = arrayLength(&x) / (2u * BLOCK_COUNT);
  let place = Place(workgroup_id.x * TOKEN_COUNT, row_count, workgroup_id.y * 2u);
  let made = sum_tile(place, thread);
  let quad = thread & 15u;
  let column = thread >> 4u;
  let group = place.group + quad / 8u;
  //: repeat token
  {
    let row = place.row + ${token}u * COLUMN_STEP + column;
    if (row < row_count && group < GROUP_COUNT) {
      put_outputs(row, OUTPUT_START + group * 32u + (quad & 7u) * 4u, made.token${token});
    }
  }
  //: end
}
