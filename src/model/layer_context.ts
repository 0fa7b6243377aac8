import type { KvCache } from "../kvcache/kv_cache.ts";
import type { ExpertSet } from "./expert_set.ts";
import type { FinishLatentSet } from "./finish_latent_set.ts";
import type { FinishHeadsSet } from "./finish_heads_set.ts";
import type { MatmulSet } from "./matmul_set.ts";
import type { NormAddSet } from "./norm_add_set.ts";
import type { ModelPlan } from "./plan.ts";
import type { RowGroup } from "./row_group.ts";
import type { ModelWeights } from "./weights.ts";

/** What layers are bound to. */
export interface LayerContext {
  plan: ModelPlan;
  weights: ModelWeights;
  cache: KvCache;
  matmuls: MatmulSet;
  finishers: FinishHeadsSet;
  latentFinishers: FinishLatentSet;
  normAdds: NormAddSet;
  expertKernels: ExpertSet;
  group: RowGroup;
}

/** Encodes one kernel over the first rows of the group. */
export type RecordRows = (pass: GPUComputePassEncoder, rowCount: number) => void;
