/**
 * Which of the ways to run an operation an adapter gets: the first of an ordered table that it
 * supports.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { AdapterFacts } from "../gpu/gpu.ts";

/** One way of running an operation on shapes `S`. */
export interface Variant<S = unknown> {
  readonly name: string;
  /** Whether it runs, and is right, on an adapter for a shape. */
  supports(facts: AdapterFacts, shape: S): boolean;
  /** Adapters on which it was measured against the others. */
  readonly tuned: readonly string[];
}

/**
 * The first variant that supports an adapter and a shape.
 *
 * @param variants The fastest first.
 * @throws {EngineError} `adapter_unsupported` if none does.
 */
export function chooseVariant<S, V extends Variant<S>>(
  operation: string,
  variants: readonly V[],
  { facts, shape }: { facts: AdapterFacts; shape: S },
): V {
  const chosen = variants.find((variant) => variant.supports(facts, shape));
  if (chosen === undefined) {
    const names = variants.map(({ name }) => name).join(", ");
    throw new EngineError(
      "adapter_unsupported",
      `Cannot run ${operation} on ${facts.name}: it supports none of ${names}`,
    );
  }
  return chosen;
}
