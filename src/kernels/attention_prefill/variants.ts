/** How many queries a workgroup of prefill attention has, and how its lanes exchange values. */

import { type AttentionShape, querySize } from "../text/attention.ts";
import { type LanesVariant, SUBGROUP, WORKGROUP_OF_32, WORKGROUP_OF_8 } from "../text/lanes.ts";
import { MANY_QUERY_COUNT, manyQueriesThreads } from "../text/many_queries.ts";
import type { Variant } from "../variant.ts";

/** A way of attending the rows of a slice. */
export interface AttentionPrefillVariant extends Variant<AttentionShape> {
  /** Of a few queries, how lanes exchange what they loaded; null if there are many. */
  readonly lanes: LanesVariant | null;
}

function fewQueries(lanes: LanesVariant): AttentionPrefillVariant {
  return { ...lanes, lanes };
}

/** Products of tiles; latents have more channels than threads have registers for. */
const MANY_QUERIES: AttentionPrefillVariant = {
  name: `${MANY_QUERY_COUNT} queries`,
  supports: ({ isFallback, workgroupSizeMax }, shape) =>
    !isFallback && !shape.hasLatents && manyQueriesThreads(shape) <= workgroupSizeMax,
  tuned: [],
  lanes: null,
};

/** The fastest first; on a GPU those of few queries run where they were measured to be faster. */
export const ATTENTION_PREFILL_VARIANTS: readonly AttentionPrefillVariant[] = [
  MANY_QUERIES,
  ...[SUBGROUP, WORKGROUP_OF_8, WORKGROUP_OF_32].map(fewQueries),
];

/** What a choice among {@link ATTENTION_PREFILL_VARIANTS} is kept by. */
export function attentionPrefillKey(shape: AttentionShape): string {
  const { queryHeadCount, kvHeadCount } = shape;
  return `attention_prefill ${queryHeadCount}/${kvHeadCount}x${querySize(shape)}`;
}
