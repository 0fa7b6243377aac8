/**
 * The curve of quality against size: mean KL over all texts against bits per element, one point per
 * codec, as an SVG.
 *
 *     deno run -A bench/quality/plot.ts REPORTS.json... CURVE.svg
 *
 * REPORTS.json is what `packkv eval --json` prints, or a record of it in `bench/record/`. Every
 * codec must have a report for each of the same texts.
 *
 * @module
 */

import { parse as parseVega, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { BASELINE_NAMES, SINKS_SUFFIX } from "../../src/evaluation/baselines/table.ts";
import type { EvalReport } from "../../src/evaluation/report.ts";

/** What a plot shows of a report. */
export type PlottedReport = Pick<EvalReport, "text" | "codec" | "tokens" | "kl_mean" | "bits">;

/** One codec: means over its texts. */
export interface CurvePoint {
  codec: string;
  family: (typeof FAMILIES)[number];
  /** Mean of K and V, all side data of sealed blocks counted. */
  bits: number;
  kl: number;
}

const FAMILIES = [
  "packkv",
  "PackKV as published",
  "llama.cpp",
  "KIVI",
  "TurboQuant",
  "KVarN",
  "OSCAR",
  "KVComp",
  "XQuant",
  "DeltaKV",
  "plain integers",
] as const;
const COLOURS = [
  "#d7263d",
  "#f29e4c",
  "#1b6ca8",
  "#3a9d63",
  "#7b4fa3",
  "#9c6b30",
  "#0b8f8f",
  "#c2509b",
  "#5b7d1f",
  "#44557a",
  "#8a8a8a",
];
const SIZE = { width: 720, height: 440 };
/** A Vega expression. */
const HAS_SINKS = `indexof(datum.codec, ${JSON.stringify(SINKS_SUFFIX)}) >= 0`;
const NOTE = "open points: with the first 4 tokens raw; points without a name: other settings";

/**
 * Averages reports over their texts.
 *
 * @returns In the order of the codecs' first reports; without `exact`, which has no divergence.
 * @throws {RangeError} If a codec lacks a text that another has, or has one twice.
 */
export function curvePoints(reports: readonly PlottedReport[]): CurvePoint[] {
  const textOf = ({ text, tokens }: PlottedReport) => `${text} (${tokens} tokens)`;
  const texts = [...new Set(reports.map(textOf))].sort();
  const codecs = [...new Set(reports.map(({ codec }) => codec))].filter((name) => name !== "exact");
  return codecs.map((codec) => {
    const own = reports.filter((report) => report.codec === codec);
    const had = own.map(textOf).sort();
    if (had.join() !== texts.join()) {
      throw new RangeError(
        `Cannot plot ${codec}: it has reports of ${had.join(", ")}, wanted ${texts.join(", ")}`,
      );
    }
    const mean = (valueOf: (report: PlottedReport) => number) =>
      own.reduce((sum, report) => sum + valueOf(report), 0) / own.length;
    const bits = mean((report) => (report.bits.k + report.bits.v) / 2);
    return { codec, family: familyOf(codec), bits, kl: mean((report) => report.kl_mean) };
  });
}

/** Families of baselines by what is in their names. */
const BASELINE_FAMILIES: readonly [RegExp, CurvePoint["family"]][] = [
  [/^q\d_0/, "llama.cpp"],
  [/^kivi/, "KIVI"],
  [/^turbo/, "TurboQuant"],
  [/^kvarn/, "KVarN"],
  [/^oscar/, "OSCAR"],
  [/^kvcomp/, "KVComp"],
  [/xquant/, "XQuant"],
  [/^deltakv/, "DeltaKV"],
  [/^int/, "plain integers"],
];

function familyOf(codec: string): CurvePoint["family"] {
  if (codec.startsWith("paper")) return "PackKV as published";
  const [name] = codec.split(":");
  if (!BASELINE_NAMES.includes(name)) return "packkv";
  const found = BASELINE_FAMILIES.find(([pattern]) => pattern.test(name));
  if (found) return found[1];
  throw new RangeError(`Cannot plot ${codec}: its baseline is of no family`);
}

/** The plot as a Vega-Lite specification. */
export function curveSpec(points: readonly CurvePoint[], title: string): TopLevelSpec {
  const families = FAMILIES.filter((family) => points.some((point) => point.family === family));
  const colours = families.map((family) => COLOURS[FAMILIES.indexOf(family)]);
  const x = {
    field: "bits",
    type: "quantitative",
    title: "bits per element of sealed blocks, all side data counted (f16: 16)",
    scale: { zero: false, nice: true, padding: 40 },
  } as const;
  const y = {
    field: "kl",
    type: "quantitative",
    title: "mean KL divergence from the exact cache, nats",
    scale: { type: "log" },
    axis: { format: "~g" },
  } as const;
  const color = {
    field: "family",
    type: "nominal",
    title: null,
    scale: { domain: families, range: colours },
  } as const;
  const description = { field: "codec", type: "nominal" } as const;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    ...SIZE,
    background: "white",
    title: { text: title, subtitle: NOTE, anchor: "start" },
    data: { values: [...points] },
    encoding: { x, y, color },
    layer: [
      {
        transform: [{ filter: 'datum.family === "packkv"' }],
        mark: { type: "line", strokeWidth: 1.5, opacity: 0.5 },
        encoding: { order: { field: "bits", type: "quantitative" } },
      },
      {
        transform: [{ filter: `!(${HAS_SINKS})` }],
        mark: { type: "point", filled: true, size: 70, opacity: 1 },
        encoding: { description },
      },
      {
        transform: [{ filter: HAS_SINKS }],
        mark: { type: "point", filled: false, size: 60, strokeWidth: 2, opacity: 1 },
        encoding: { description },
      },
      {
        transform: [{ filter: `!(${HAS_SINKS}) && indexof(datum.codec, ":") < 0` }],
        mark: { type: "text", align: "left", dx: 7, dy: 4, fontSize: 11 },
        encoding: { text: { field: "codec", type: "nominal" } },
      },
    ],
    config: { font: "sans-serif", legend: { orient: "top-right", fillColor: "white", padding: 6 } },
  };
}

/** Draws a specification; the same one gives the same text. */
export async function drawSvg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parseVega(compile(spec).spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

/**
 * The reports of a file: one, several, or either as the `result` of a record.
 *
 * @throws {SyntaxError} If it holds none.
 */
export function reportsOf(text: string, path: string): PlottedReport[] {
  const value = JSON.parse(text);
  const found = value?.result ?? value;
  const reports = Array.isArray(found) ? found : [found];
  const isReport = (report: PlottedReport) =>
    typeof report?.codec === "string" && typeof report.kl_mean === "number";
  if (reports.length > 0 && reports.every(isReport)) return reports;
  throw new SyntaxError(`Cannot plot ${path}: it holds no reports of packkv eval`);
}

if (import.meta.main) {
  const paths = Deno.args.slice(0, -1);
  const target = Deno.args.at(-1);
  if (paths.length === 0 || !target?.endsWith(".svg")) {
    console.error("Cannot plot: wanted REPORTS.json... CURVE.svg");
    Deno.exit(2);
  }
  const reports: PlottedReport[] = [];
  for (const path of paths) reports.push(...reportsOf(await Deno.readTextFile(path), path));
  const texts = [...new Set(reports.map(({ text }) => text))];
  const title = `KV cache codecs, mean of ${texts.join(" and ")}`;
  await Deno.writeTextFile(target, await drawSvg(curveSpec(curvePoints(reports), title)));
}
