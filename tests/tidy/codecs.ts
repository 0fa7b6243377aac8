/** Nobody asks which codec there is: what differs is in the codec's own folder and its two rows. */

import { pathsLike, type Sources } from "./sources.ts";

const PRODUCT = /^(src|server|mod\.ts)/;
/** A codec's own files, and the rows that find them. */
const OWN = [
  /^src\/codec\/(\w+\/|(registry|profile_types|mod)\.ts$)/,
  /^src\/(kvcache\/codecs|device_report\/codecs|kernels|reference|calibration)\//,
  // Measures for a calibration, with a whole model: that of the banded codec.
  /^src\/evaluation\/layer_damage\.ts$/,
];

const NAMES = "paper|deltakv|banded|int8|xquant|exact|near-lossless|balanced|tight";
const QUESTIONS: readonly RegExp[] = [
  new RegExp(`(?:===?|!==?|\\bcase)\\s*["'](?:${NAMES})["']`),
  new RegExp(`["'](?:${NAMES})["']\\s*(?:===?|!==?)`),
  /\bcodec\.(?:id|kind)\b/,
  /\binstanceof\s+\w*(?:Raw|Paper|DeltaKv|Banded|Int8|Xquant)/,
  /\bfrom\s+"[^"]*codec\/(?:raw|paper|deltakv|banded|int8|xquant)\//,
];

/** Lines of the product that ask which codec or profile there is, outside the codecs' own files. */
export function codecQuestions(sources: Sources): string[] {
  return pathsLike(sources, PRODUCT).filter((path) => !OWN.some((own) => own.test(path))).flatMap((
    path,
  ) =>
    sources.get(path)!.split("\n").flatMap((line, index) => {
      const asks = QUESTIONS.find((pattern) => pattern.test(line));
      return asks === undefined
        ? []
        : [`${path}:${index + 1}: "${asks.exec(line)![0]}": give the codec a member instead`];
    })
  );
}
