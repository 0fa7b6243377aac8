import type { BandedLayout } from "../../codec/banded/layout.ts";
import { packBanded } from "../../codec/banded/pack.ts";
import type { BandedTables } from "../../codec/banded/tables.ts";
import { bandedSource } from "../kv_measure/banded.ts";
import type { BandedScratch } from "../kv_quantise/banded.ts";

/**
 * Reference of `shaders/kv_pack/banded.wgsl`: writes the records of all stores into `arena`, their
 * values counted from a base of their own.
 */
export function kvPackBandedReference(
  layout: BandedLayout,
  scratch: BandedScratch,
  input: {
    jobs: readonly {
      scratchIndex: number;
      firstToken: number;
      targets: ArrayLike<number>;
      packedCounts?: ArrayLike<number>;
      valueBases?: ArrayLike<number>;
    }[];
    tables: readonly BandedTables[];
  },
  arena: Uint32Array,
): void {
  const { jobs, tables } = input;
  const sinkWords = layout.sinkWords(true);
  for (const { scratchIndex, firstToken, targets, packedCounts, valueBases } of jobs) {
    for (let store = 0; store < tables.length; store++) {
      const entry = scratchIndex * tables.length + store;
      const source = bandedSource(layout, scratch, {
        entry,
        firstToken,
        tables: tables[store],
        ...(packedCounts ? { packedCount: packedCounts[store] } : {}),
      });
      const start = entry * sinkWords;
      const sinks = scratch.sinks.subarray(start, start + (firstToken > 0 ? sinkWords : 0));
      const record = packBanded(layout, source, sinks);
      const [keySections, [first]] = [
        layout.sectionCount / 2,
        record.slice(layout.sectionCount / 2),
      ];
      const base = valueBases?.[store] ?? targets[store];
      for (let section = keySections; section < layout.sectionCount; section++) {
        record[section] += base - targets[store];
      }
      arena.set(record.subarray(0, first), targets[store]);
      arena.set(record.subarray(first), base + first);
    }
  }
}
