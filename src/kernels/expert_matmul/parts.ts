/** The texts that `product.ts` appends to each variant beside those of `matmul`, by choice. */

import biasAdd from "../../../shaders/expert_matmul/parts/bias_add.wgsl" with { type: "text" };
import biasNone from "../../../shaders/expert_matmul/parts/bias_none.wgsl" with { type: "text" };

/** Whether each output of each expert has a bias. */
export const EXPERT_BIAS_TEXT = { add: biasAdd, none: biasNone } as const;
