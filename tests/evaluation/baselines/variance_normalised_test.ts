import { assert, assertEquals } from "@std/assert";
import { varianceNormalised } from "../../../src/evaluation/baselines/variance_normalised.ts";
import { tokenHeadInteger } from "../../../src/evaluation/baselines/token_head_integer.ts";
import { seededNormals } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 1, headSize: 64 };

/** Tokens and channels of very different sizes. */
function unevenValues(): Float32Array {
  return seededNormals(64 * 64, 3).map((x, i) => {
    return x * 2 ** (Math.floor(i / 64) % 5) * (i % 64 % 9 === 2 ? 6 : 1);
  });
}

function relativeError(original: Float32Array, values: Float32Array): number {
  let [error, power] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    error += (values[i] - original[i]) ** 2;
    power += original[i] ** 2;
  }
  return error / power;
}

Deno.test("varianceNormalised() reads uneven tokens and channels back better than plain integers", () => {
  const original = unevenValues();
  const [own, plain] = [varianceNormalised({ k: 4, v: 4 }, SHAPE), tokenHeadInteger(4, SHAPE)].map(
    (codec) => {
      const values = original.slice();
      codec.readBackKeys({ shape: SHAPE, values, firstToken: 0 });
      return relativeError(original, values);
    },
  );
  assert(own < plain && own < 0.01, `${own}, plain ${plain}`);
});

Deno.test("varianceNormalised() leaves raw first tokens and zeros as they are", () => {
  const values = new Float32Array(64 * 64).fill(0.3, 0, 128);
  varianceNormalised({ k: 2, v: 2 }, SHAPE).readBackValues({ shape: SHAPE, values, firstToken: 2 });
  assert(values.subarray(0, 128).every((value) => value === Math.fround(0.3)));
  assert(values.subarray(128).every((value) => value === 0));
});

Deno.test("varianceNormalised() counts the scales of tokens and channels", () => {
  const { bits, codeBits } = varianceNormalised({ k: 4, v: 2 }, SHAPE);
  assertEquals(bits, { k: 4.75, v: 2.75 });
  assertEquals(codeBits, { k: 4, v: 2 });
});
