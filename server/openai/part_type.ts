/**
 * What a message may be made of: text.
 *
 * @module
 */

const KINDS: Readonly<Record<string, string>> = {
  image: "an image",
  audio: "audio",
  video: "a video",
  file: "a file",
};

/** Says that a part of a message cannot be read, such as one of type `image_url`. */
export function describePartType(type: unknown): string {
  const shown = JSON.stringify(type) ?? "undefined";
  const kind = Object.keys(KINDS).find((word) => shown.includes(word));
  const what = kind === undefined ? "a part" : KINDS[kind];
  return `${what} (type ${shown}) is not supported yet, only text is`;
}
