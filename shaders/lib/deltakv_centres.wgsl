//: file shaders/lib/deltakv_centres.wgsl
// What centres of a block say of its other tokens: integers modulo 2^32. FORMAT.md section 11.1.
// Needs: HEAD_SIZE, STRIDE, CENTRE_COUNT, MEAN_SHIFT, {KEY,VALUE}_BITS; quanta_of(centre, eight),
// each of which is code + zero; turns (binding): u32 [64][HEAD_SIZE / 2], cosine as i16 in the low,
// sine in the high half, in 4,096ths

const RATIO_MAX = 8191i; // in 1,024ths

// Eight channels of a token that follow one another.
struct Eight {
  low: vec4<i32>,
  high: vec4<i32>,
}

var<private> ratios: array<i32, CENTRE_COUNT>; // scales of centres by that of the lane's token

fn is_centre(token: u32) -> bool {
  return token % STRIDE == 0u;
}

// The token at a packed place of a record with a table: centres come first.
fn token_at(place: u32) -> u32 {
  let rest = place - CENTRE_COUNT;
  return select(rest + rest / (STRIDE - 1u) + 1u, place * STRIDE, place < CENTRE_COUNT);
}

// The scale of a token by that of another, in 1,024ths; both are words of parameters.
fn scale_ratio(from_word: u32, to_word: u32) -> i32 {
  let exponents = vec2<i32>((vec2(from_word, to_word) >> vec2(10u)) & vec2(31u));
  let significands = vec2(0x400u) | (vec2(from_word, to_word) & vec2(0x3ffu));
  let shift = 4i - (exponents.x - exponents.y);
  let by = u32(clamp(shift, 0i, 20i));
  let quotient = (significands.x << 14u) / significands.y;
  let ratio = i32((quotient + ((1u << by) >> 1u)) >> by);
  return select(min(ratio, RATIO_MAX), RATIO_MAX, shift < 0i);
}

// Four values of a centre, turned by two words of `turns`; in 64ths.
fn turned(values: vec4<i32>, words: vec2<u32>, direction: i32) -> vec4<i32> {
  let cosines = (bitcast<vec2<i32>>(words) << vec2(16u)) >> vec2(16u);
  let sines = direction * (bitcast<vec2<i32>>(words) >> vec2(16u));
  let across = vec4(-1i, 1i, -1i, 1i) * sines.xxyy;
  return (values * cosines.xxyy + values.yxwz * across + 32i) >> vec4(6u);
}

// What a centre says of eight channels of a head at a token, in 65,536ths of the token's step.
fn said_by(centre: u32, token: u32, eight: u32, is_value: bool) -> Eight {
  let own = quanta_of(centre, eight);
  let ratio = ratios[centre];
  if (is_value) {
    return Eight((own.low << vec4(6u)) * ratio, (own.high << vec4(6u)) * ratio);
  }
  let at = centre * STRIDE;
  let distance = max(token, at) - min(token, at);
  let first = distance * (HEAD_SIZE / 2u) + eight * 4u;
  let direction = select(1i, -1i, token < at);
  let low = turned(own.low, vec2(turns[first], turns[first + 1u]), direction);
  let high = turned(own.high, vec2(turns[first + 2u], turns[first + 3u]), direction);
  return Eight(low * ratio, high * ratio);
}

// What codes of eight channels are by the centres of a mask, whose scales are in `ratios`.
fn codes_said(mask: u32, token: u32, eight: u32, zero: i32, is_value: bool) -> Eight {
  var sum = Eight(vec4(0i), vec4(0i));
  for (var centre = 0u; centre < CENTRE_COUNT; centre++) {
    if (((mask >> centre) & 1u) != 0u) {
      let said = said_by(centre, token, eight, is_value);
      sum = Eight(sum.low + said.low, sum.high + said.high);
    }
  }
  let half = 1i << (MEAN_SHIFT - 1u);
  let greatest = vec4(i32(1u << select(KEY_BITS, VALUE_BITS, is_value)) - 1i);
  let low = ((sum.low + half) >> vec4(MEAN_SHIFT)) - zero;
  let high = ((sum.high + half) >> vec4(MEAN_SHIFT)) - zero;
  return Eight(clamp(low, vec4(0i), greatest), clamp(high, vec4(0i), greatest));
}
