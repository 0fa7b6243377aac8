/**
 * Quality against bytes with methods that keep less or share: mean KL against the bytes of records
 * of sealed tokens, a point for each profile with each method, as an SVG. Each model, text and
 * length has a plot of its own, the one with most points first. Points that are not dominated, none
 * having both a lower KL and fewer bytes, are joined by a line and printed.
 *
 *     deno run -A bench/quality/plot_methods.ts REPORTS.json... METHODS.svg
 *
 * REPORTS.json is what `packkv eval --methods --json` prints, or a record of it in `bench/record/`.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { MethodReport } from "../../src/evaluation/methods/compare.ts";
import { drawSvg } from "./plot.ts";

/** What a plot shows of a report. */
export type PlottedMethod =
  & Pick<MethodReport, "profile" | "method" | "kl_mean">
  & Pick<MethodReport, "model" | "text" | "tokens" | "positions">
  & { bytes: Pick<MethodReport["bytes"], "f16" | "packed"> };

/** One profile with one method. */
export interface MethodPoint {
  /** `profile, method`; the profile alone where everything stays. */
  name: string;
  family: (typeof FAMILIES)[number];
  /** Share of the bytes of all tokens as f16, in percent. */
  share: number;
  kl: number;
  /** Whether no other point has both a lower or equal KL and fewer or equal bytes. */
  isBest: boolean;
}

/** Points that were measured alike. */
export interface MethodPlot {
  title: string;
  points: readonly MethodPoint[];
}

const FAMILIES = [
  "profile alone",
  "chunkkv",
  "chunkkv, token by token",
  "dbudgetkv",
  "think",
  "tokens and channels",
  "layers that share",
  "codes of other layers",
] as const;
const COLOURS = [
  "#d7263d",
  "#1b6ca8",
  "#7fb3d5",
  "#3a9d63",
  "#f29e4c",
  "#7b4fa3",
  "#9c6b30",
  "#5b5b5b",
];
/** Up to so many are drawn lower. */
const FEW_POINTS = 5;
/** Nothing is drawn below it, as the axis has no 0. */
const KL_MIN = 1e-6;

function familyOf({ profile, method }: PlottedMethod): MethodPoint["family"] {
  if (profile.startsWith("xquant")) return "codes of other layers";
  if (method === "all") return "profile alone";
  if (method.includes("kvsharer")) return "layers that share";
  if (method.includes("+")) return "tokens and channels";
  if (method.startsWith("think")) return "think";
  if (method.startsWith("dbudgetkv")) return "dbudgetkv";
  return /:chunk=1(:|$)/.test(method) ? "chunkkv, token by token" : "chunkkv";
}

/** Reports by what they measured: a plot of each, that with most points first. */
export function methodPlots(reports: readonly PlottedMethod[]): MethodPlot[] {
  const byTitle = Map.groupBy(
    reports,
    ({ model, text, tokens, positions }) =>
      `Methods beside profiles, ${model}, ${tokens} tokens of ${text}, ${positions} next ones`,
  );
  return [...byTitle]
    .map(([title, own]) => ({ title, points: methodPoints(own) }))
    .sort((a, b) => b.points.length - a.points.length);
}

/** Points of reports; the exact cache that keeps everything is what they are compared with. */
function methodPoints(reports: readonly PlottedMethod[]): MethodPoint[] {
  const compared = reports.filter(({ kl_mean }) => kl_mean >= KL_MIN);
  const isBest = (own: PlottedMethod) =>
    !compared.some((other) =>
      other !== own && other.kl_mean <= own.kl_mean && other.bytes.packed <= own.bytes.packed
    );
  return compared.map((report) => ({
    name: report.method === "all" ? report.profile : `${report.profile}, ${report.method}`,
    family: familyOf(report),
    share: 100 * report.bytes.packed / report.bytes.f16,
    kl: report.kl_mean,
    isBest: isBest(report),
  }));
}

/** The plots, one below the other, as a Vega-Lite specification. */
export function methodsSpec(plots: readonly MethodPlot[]): TopLevelSpec {
  const legend = { orient: "bottom-left", fillColor: "white", labelLimit: 200 } as const;
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    vconcat: plots.map(plotSpec),
    resolve: { scale: { color: "independent" } },
    config: { font: "sans-serif", legend },
  };
}

function plotSpec(
  { title, points }: MethodPlot,
): Extract<TopLevelSpec, { vconcat: unknown }>["vconcat"][number] {
  const families = FAMILIES.filter((family) => points.some((point) => point.family === family));
  const range = families.map((family) => COLOURS[FAMILIES.indexOf(family)]);
  const log = { type: "log", padding: 20 } as const;
  const name = { field: "name", type: "nominal" } as const;
  const quantity = (field: string, title: string) =>
    ({ field, type: "quantitative", title, scale: log, axis: { format: "~g" } }) as const;
  return {
    width: 760,
    height: points.length > FEW_POINTS ? 480 : 330,
    title: { text: title, anchor: "start", subtitle: "line: not dominated by any other" },
    data: { values: [...points] },
    encoding: {
      x: quantity("share", "records of sealed tokens, percent of the prompt as f16"),
      y: quantity("kl", "mean KL divergence from the exact cache, nats"),
      color: {
        field: "family",
        type: "nominal",
        title: null,
        scale: { domain: families, range },
      },
    },
    layer: [
      {
        transform: [{ filter: "datum.isBest" }],
        mark: { type: "line", strokeWidth: 1, opacity: 0.6, color: "#666666" },
        encoding: { order: { field: "share", type: "quantitative" }, color: { value: "#666666" } },
      },
      {
        mark: { type: "point", filled: true, size: 60, opacity: 1 },
        encoding: { description: name },
      },
      {
        mark: { type: "text", align: "left", dx: 7, dy: 4, fontSize: 9 },
        encoding: { text: name },
      },
    ],
  };
}

if (import.meta.main) {
  const paths = Deno.args.slice(0, -1);
  const target = Deno.args.at(-1);
  if (paths.length === 0 || !target?.endsWith(".svg")) {
    console.error("Cannot plot: wanted REPORTS.json... METHODS.svg");
    Deno.exit(2);
  }
  const reports: MethodReport[] = [];
  for (const path of paths) {
    const value = JSON.parse(await Deno.readTextFile(path));
    const found: MethodReport[] = [value?.result ?? value].flat();
    reports.push(...found.filter(({ kind }) => kind === "methods"));
  }
  const plots = methodPlots(reports);
  await Deno.writeTextFile(target, await drawSvg(methodsSpec(plots)));
  for (const { title, points } of plots) {
    console.log(title);
    const best = points.filter(({ isBest }) => isBest).sort((a, b) => a.share - b.share);
    for (const { name, share, kl } of best) {
      console.log(`  ${share.toFixed(2)}% ${kl.toFixed(4)} ${name}`);
    }
  }
}
