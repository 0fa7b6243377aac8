import { invalid, type ModelReader } from "./model_reader.ts";

/**
 * Reads which layers see a window, by the keys that architectures share.
 *
 * @param options `period`: of so many layers the last sees everything, if the file does not say.
 * `window`: if the file does not say; 0 for none.
 * @returns For each layer the newest tokens it sees; null for all.
 */
export function readWindows(
  reader: ModelReader,
  { layerCount }: { layerCount: number },
  options: { period: number; window: number },
): (number | null)[] {
  const window = reader.number("attention.sliding_window", options.window);
  const seesWindow = reader.flagPerLayer("attention.sliding_window_pattern", layerCount) ??
    periodic(reader, layerCount, options.period);
  if (!Number.isInteger(window) || window < 0) {
    throw invalid(`"${reader.architecture}.attention.sliding_window" is ${window}, no count`);
  }
  return seesWindow.map((sees) => sees && window > 0 ? window : null);
}

function periodic(reader: ModelReader, layerCount: number, period: number): boolean[] {
  const own = reader.count("attention.sliding_window_pattern", period);
  return Array.from({ length: layerCount }, (_, layer) => layer % own < own - 1);
}
