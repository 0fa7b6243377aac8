/** The form a message is written in: text, a file, send and stop. */

import { byId } from "./dom.mjs";
import { formatBytes, formatCount, formatDuration, formatRate } from "./format.mjs";
import { Problem } from "./problems.mjs";
import { problemNotice } from "./message_view.mjs";
import { readingOf } from "./turn.mjs";

const FILE_SIZE_BYTES_MAX = 12 * 2 ** 20;

/**
 * Reads a file as text.
 *
 * @param {File} file
 * @returns {Promise<import("./store.mjs").TextFile>}
 * @throws {Problem} If it is too large, empty, or no text.
 */
export async function readTextFile(file) {
  if (file.size > FILE_SIZE_BYTES_MAX) {
    const limit = formatBytes(FILE_SIZE_BYTES_MAX);
    throw new Problem(`${file.name} is too large.`, `It can have ${limit} at most.`);
  }
  const bytes = await file.arrayBuffer();
  let text = null;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8: said below.
  }
  if (text === null || text.includes("\0")) {
    throw new Problem(`${file.name} is no text file.`, "Only plain text in UTF-8 can be read.");
  }
  if (text.trim() === "") throw new Problem(`${file.name} is empty.`, "Choose another file.");
  return { name: file.name, text };
}

/** The form. */
export class Composer {
  #prompt = byId("prompt");
  #actions;
  #file = null;
  #isBusy = false;
  #counting = new AbortController();

  /**
   * @param {{
   *   send: (text: string, file: import("./store.mjs").TextFile | null) => void,
   *   stop: () => void,
   *   countTokens: (text: string, signal: AbortSignal) => Promise<number>,
   *   retry: () => void, settings: () => void, new: () => void,
   * }} actions
   */
  constructor(actions) {
    this.#actions = actions;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#prompt.addEventListener("keydown", (event) => this.#onKey(event));
    byId("stop").addEventListener("click", () => actions.stop());
    const input = byId("file-input");
    byId("choose-file").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = "";
      if (file) this.take(file);
    });
    byId("remove-file").addEventListener("click", () => {
      this.#setFile(null);
      this.focus();
    });
    this.#listenToDrops();
  }

  /** Puts the cursor into the message. */
  focus() {
    this.#prompt.focus();
  }

  /** Takes a file to send with the next message. @param {File} file */
  async take(file) {
    try {
      this.showProblem(null);
      this.#setFile(await readTextFile(file));
      this.focus();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.showProblem(error);
    }
  }

  /** Shows what went wrong above the form, or nothing. @param {Problem | null} problem */
  showProblem(problem) {
    const place = byId("notice");
    place.hidden = problem === null;
    place.replaceChildren();
    if (problem !== null) place.append(...problemNotice(problem, this.#actions).childNodes);
  }

  /** While an answer is under way it can be stopped, and nothing sent. */
  setBusy(isBusy) {
    const hadFocus = [byId("send"), byId("stop")].includes(document.activeElement);
    this.#isBusy = isBusy;
    byId("send").hidden = isBusy;
    byId("stop").hidden = !isBusy;
    if (hadFocus) this.focus();
    if (!isBusy) this.showReading(null);
  }

  /** Shows how far the prompt is read. @param {import("./turn.mjs").Turn | null} turn */
  showReading(turn) {
    const reading = turn === null ? null : readingOf(turn);
    byId("reading").hidden = reading === null;
    if (reading === null) return;
    const { readCount, promptCount, share, leftSeconds } = reading;
    const rate = leftSeconds === null
      ? ""
      : `, ${formatRate(turn.prefillPerSecond)}, about ${formatDuration(leftSeconds)} left`;
    byId("reading-text").textContent = `Reading ${formatCount(readCount)} of ${
      formatCount(promptCount)
    } tokens${rate}`;
    byId("reading-bar").value = share;
  }

  #send() {
    const text = this.#prompt.value.trim();
    if (this.#isBusy || (text === "" && this.#file === null)) return;
    const file = this.#file;
    this.#prompt.value = "";
    this.#setFile(null);
    this.showProblem(null);
    this.#actions.send(text, file);
  }

  #onKey(event) {
    if (event.key === "Escape" && this.#isBusy) return this.#actions.stop();
    // On a phone the key makes a line; an input method takes it to choose a word.
    const isPhone = matchMedia("(pointer: coarse)").matches;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || isPhone) return;
    event.preventDefault();
    this.#send();
  }

  #setFile(file) {
    this.#file = file;
    this.#counting.abort();
    byId("file").hidden = file === null;
    if (file === null) return;
    const size = byId("file-size");
    byId("file-name").textContent = file.name;
    size.textContent = formatBytes(new Blob([file.text]).size);
    this.#counting = new AbortController();
    this.#actions.countTokens(file.text, this.#counting.signal).then((count) => {
      size.textContent += `, ${formatCount(count)} tokens`;
    }, () => {}); // the size in bytes is there; sending will show what hinders the server
  }

  #listenToDrops() {
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
    const show = (isShown) => byId("drop").hidden = !isShown;
    addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(true);
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) show(false);
    });
    addEventListener("drop", (event) => {
      show(false);
      const [file] = event.dataTransfer?.files ?? [];
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
  }
}
