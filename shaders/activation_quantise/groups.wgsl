//: file shaders/activation_quantise/groups.wgsl
// activation_quantise/groups: code[row, i] = round(v[i] / s), s = max |v| / 127 over a group of 32
// columns, where v is x[row, :], or x[row, :] times a norm's weights, by whose divisor s is divided
//
// Source:    groups of 32 as in GGUF's Q8_0; the norm is Zhang & Sennrich 2019, arXiv:1910.07467
// Binds:     src/kernels/activation_quantise/groups.ts
// Reference: src/reference/activation_quantise.ts
// Grid:      one workgroup per row; threads stride over its groups
// Precision: codes and their sums bit for bit, and scales without a norm: scale and reciprocal are
//            made by integer operations, f32 product and round are correctly rounded everywhere
//
// Markers: part (of the 8 parts of 4 columns of a group); norm: if there is one.

override WORKGROUP_SIZE: u32 = 64u; // power of two
override COLUMN_COUNT: u32; // a multiple of 32
override EPSILON: f32 = 0.0; // of the norm
override GROUP_COUNT: u32 = COLUMN_COUNT / 32u;

const CODE_MAX_INVERSE = 0x1.020408p-7f; // f32(1 / 127)
const STEP_MIN = 0x1p-100f;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [rows, columns / 4]
@group(0) @binding(1) var<storage, read_write> codes: array<vec4<u32>>; // [rows][groups][2]
// [rows][groups]: the scale, and sums of the codes of columns 0 to 15 and 16 to 31, 16 bits each
@group(0) @binding(2) var<storage, read_write> sides: array<vec2<u32>>;
//: if norm
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>; // [columns / 4]

var<workgroup> squares: array<f32, WORKGROUP_SIZE>;
//: end

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = workgroup_id.x * GROUP_COUNT;
  var square = 0.0;
  for (var group = thread; group < GROUP_COUNT; group += WORKGROUP_SIZE) {
    let raw${part} = x[(first + group) * 8u + ${part}u];
    //: if norm
    square += dot(raw${part}, raw${part});
    let value${part} = raw${part} * norm_weight[group * 8u + ${part}u];
    //: else
    let value${part} = raw${part};
    //: end
    var largest = vec4<f32>(0.0);
    var is_finite = true;
    //: repeat part
    largest = max(largest, abs(value${part}));
    is_finite = is_finite && all(exponents(value${part}) != vec4<u32>(0x7f800000u));
    //: end
    let of_four = max(largest.xy, largest.zw);
    let step = step_of(max(max(of_four.x, of_four.y) * CODE_MAX_INVERSE, STEP_MIN));
    let four${part} = codes_of(value${part}, step.y);
    let early = four0 + four1 + four2 + four3;
    let late = four4 + four5 + four6 + four7;
    let at = first + group;
    codes[at * 2u] = vec4<u32>(word_of(four0), word_of(four1), word_of(four2), word_of(four3));
    codes[at * 2u + 1u] =
      vec4<u32>(word_of(four4), word_of(four5), word_of(four6), word_of(four7));
    // What is not finite makes results that are not.
    let scale = select(0x7fc00000u, bitcast<u32>(step.x), is_finite);
    sides[at] = vec2<u32>(scale, (sum_of(early) & 0xffffu) | (sum_of(late) << 16u));
  }
  //: if norm
  squares[thread] = square;
  workgroupBarrier();
  for (var stride = WORKGROUP_SIZE / 2u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      squares[thread] += squares[thread + stride];
    }
    workgroupBarrier();
  }
  let factor = inverseSqrt(squares[0] / f32(COLUMN_COUNT) + EPSILON);
  for (var group = thread; group < GROUP_COUNT; group += WORKGROUP_SIZE) {
    sides[first + group].x = bitcast<u32>(bitcast<f32>(sides[first + group].x) * factor);
  }
  //: end
}

fn exponents(values: vec4<f32>) -> vec4<u32> {
  return bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u);
}

// Step rounded to 11 significant bits, and its reciprocal: exact digits by integer division.
fn step_of(step: f32) -> vec2<f32> {
  let bits = bitcast<u32>(step);
  let rounded = (bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u;
  let significand = ((rounded >> 13u) & 0x3ffu) | 0x400u;
  let quotient = 0x80000000u / significand;
  let rest = 0x80000000u - quotient * significand;
  let digits = quotient * 8u + rest * 8u / significand;
  // Digits are over 2^24, which is divided out apart: a power of both can be no normal f32.
  let power = bitcast<f32>((254u - (rounded >> 23u)) << 23u);
  return vec2<f32>(bitcast<f32>(rounded), f32(digits) * 0x1p-24f * power);
}

fn codes_of(values: vec4<f32>, reciprocal: f32) -> vec4<i32> {
  return clamp(vec4<i32>(round(values * reciprocal)), vec4<i32>(-127), vec4<i32>(127));
}

// Four codes, a byte each.
fn word_of(four: vec4<i32>) -> u32 {
  let bytes = bitcast<vec4<u32>>(four) & vec4<u32>(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

fn sum_of(four: vec4<i32>) -> u32 {
  return bitcast<u32>(four.x + four.y + four.z + four.w);
}
