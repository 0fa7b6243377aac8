/**
 * Which of the ways to run an operation an adapter gets: the one that was measured to be the
 * fastest on it, else the first of an ordered table that it supports.
 *
 * @module
 */

import { EngineError, invariant } from "../core/errors.ts";
import type { AdapterFacts } from "../gpu/gpu.ts";

/** One way of running an operation on shapes `S`. */
export interface Variant<S = unknown> {
  readonly name: string;
  /** Whether it runs, and is right, on an adapter for a shape. */
  supports(facts: AdapterFacts, shape: S): boolean;
  /** Adapters on which it was measured against the others. */
  readonly tuned: readonly string[];
}

/** What a variant is chosen for. */
export interface VariantChoice<S> {
  facts: AdapterFacts;
  shape: S;
  /** By which the facts name what was measured; the operation if left out. */
  key?: string;
}

/** All variants that support an adapter and a shape: the first is taken if nothing was measured. */
export function supportedVariants<S, V extends Variant<S>>(
  variants: readonly V[],
  { facts, shape }: VariantChoice<S>,
): V[] {
  return variants.filter((variant) => variant.supports(facts, shape));
}

/**
 * The variant that was measured to be the fastest, else the first that supports an adapter and a
 * shape.
 *
 * @param variants The fastest first, as far as is known without measuring.
 * @throws {EngineError} `adapter_unsupported` if none does.
 */
export function chooseVariant<S, V extends Variant<S>>(
  operation: string,
  variants: readonly V[],
  choice: VariantChoice<S>,
): V {
  const { facts, key = operation } = choice;
  const supported = supportedVariants(variants, choice);
  const tuned = facts.tuned[key];
  const chosen = tuned === undefined ? supported[0] : supported.find(({ name }) => name === tuned);
  invariant(tuned === undefined || chosen !== undefined, `${tuned} is a variant of ${key}`);
  if (chosen === undefined) {
    const names = variants.map(({ name }) => name).join(", ");
    throw new EngineError(
      "adapter_unsupported",
      `Cannot run ${operation} on ${facts.name}: it supports none of ${names}`,
    );
  }
  return chosen;
}
