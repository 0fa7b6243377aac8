/**
 * The metrics of all models as one text.
 *
 * @module
 */

import { invariant } from "../../src/core/errors.ts";
import { ModelMetrics } from "../metrics.ts";
import type { Models, NamedModel } from "./models.ts";

/** The metrics of each model. */
export class MetricsOfModels {
  readonly #byId: ReadonlyMap<string, ModelMetrics>;
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
    this.#byId = new Map(models.ids.map((id) => [id, new ModelMetrics(id)]));
  }

  /** The metrics of one model. */
  of(id: string): ModelMetrics {
    const metrics = this.#byId.get(id);
    invariant(metrics !== undefined, "metrics are asked for of models there are");
    return metrics;
  }

  /** Takes the last values of an engine that is about to end. */
  async readLast({ id, engine }: NamedModel): Promise<void> {
    await this.of(id).read(engine);
  }

  /** All in Prometheus' text format. */
  async render(): Promise<{ text: string; contentType: string }> {
    const { loadedIds } = this.#models;
    const texts = await Promise.all([...this.#byId].map(([id, metrics]) => {
      return metrics.render(loadedIds.includes(id) ? this.#models.loaded(id).engine : null);
    }));
    const [{ contentType }] = this.#byId.values();
    return { text: mergeTexts(texts), contentType };
  }
}

/** Samples of several texts under one head for each metric, as the format has it. */
export function mergeTexts(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0];
  const families = new Map<string, string[]>();
  for (const text of texts) {
    for (const family of text.split(/^(?=# HELP )/m)) {
      const [help, type, ...samples] = family.trimEnd().split("\n");
      const known = families.get(help) ?? [help, type];
      families.set(help, [...known, ...samples]);
    }
  }
  return [...families.values()].map((lines) => `${lines.join("\n")}\n`).join("\n");
}
