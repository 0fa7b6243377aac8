/** One message of the conversation, and what can be done with it. */

import { icon, iconButton, make } from "./dom.mjs";
import { formatBytes, formatCount, formatRate } from "./format.mjs";
import { MarkdownView } from "./markdown.mjs";

const SHOWN_LENGTH = 1200;

/** The chip that stands for a text file. */
export function fileChip({ name, text }) {
  const size = make("span", { class: "quiet" }, formatBytes(new Blob([text]).size));
  return make("div", { class: "file" }, icon("file"), make("span", {}, name), size);
}

/** A notice with the button that helps, if there is one. */
export function problemNotice(problem, actions) {
  const labels = { retry: "Try again", settings: "Open settings", new: "New conversation" };
  const label = labels[problem.action];
  return make(
    "div",
    { class: "notice" },
    make(
      "p",
      {},
      make("strong", {}, problem.message),
      " ",
      make("span", {}, problem.advice),
    ),
    label === undefined
      ? null
      : make("button", { type: "button", onclick: () => actions[problem.action]() }, label),
  );
}

/** A long text shows its beginning until it is asked for. */
function userText(content) {
  const text = make("div", { class: "text" }, content);
  if (content.length <= SHOWN_LENGTH) return text;
  text.textContent = `${content.slice(0, SHOWN_LENGTH).trimEnd()}… `;
  const label = `Show all ${formatCount(content.length)} characters`;
  text.append(make("button", {
    type: "button",
    onclick: () => text.replaceChildren(content),
  }, label));
  return text;
}

/** The question of a user. */
export function userArticle(message) {
  return make(
    "article",
    { class: "user", "aria-label": "You" },
    message.file ? fileChip(message.file) : null,
    message.content === "" ? null : userText(message.content),
  );
}

function describeTurn({ state, note, turn }) {
  const words = [];
  if (state === "stopped") words.push("stopped");
  if (note) words.push(note);
  if (turn?.completionCount) words.push(`${formatCount(turn.completionCount)} tokens`);
  if (turn?.decodePerSecond) words.push(formatRate(turn.decodePerSecond));
  return words.join(" · ");
}

/** An answer, which may still be growing. */
export class AnswerView {
  #message;
  #actions;
  #text = make("div", { class: "text" });
  #footer = make("footer");
  #markdown = new MarkdownView(this.#text);
  #frame = 0;

  /**
   * @param {import("./store.mjs").Message} message Shown as it is at each update.
   * @param {Record<string, (...args: any[]) => void>} actions `copy`, `retry`, `settings`, `new`.
   */
  constructor(message, actions) {
    this.#message = message;
    this.#actions = actions;
    this.element = make("article", { class: "assistant", "aria-label": "Answer" }, this.#text);
    this.element.append(this.#footer);
    this.#text.addEventListener("copytext", ({ detail }) => actions.copy(detail));
  }

  /** Marks the answer as growing; a screen reader waits for its end. */
  begin() {
    this.element.setAttribute("aria-busy", "true");
    this.#text.classList.add("waiting");
  }

  /** Shows what has come, at most once a frame. */
  grow() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#markdown.update(this.#message.content);
    });
  }

  /**
   * Shows all of it, with what can be done now.
   *
   * @param {{ canRetry: boolean, problem?: import("./problems.mjs").Problem | null }} options
   */
  finish({ canRetry, problem = null }) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#markdown.update(this.#message.content);
    this.#text.classList.remove("waiting");
    this.element.setAttribute("aria-busy", "false");
    this.#footer.replaceChildren();
    if (problem !== null) {
      this.#footer.append(problemNotice(problem, this.#actions));
      if (problem.action === "retry") return;
    }
    if (this.#message.content !== "") {
      const copy = () => this.#actions.copy(this.#message.content);
      this.#footer.append(iconButton("copy", "Copy the answer", copy));
    }
    if (canRetry) {
      this.#footer.append(iconButton("retry", "Answer again", () => this.#actions.retry()));
    }
    const words = describeTurn(this.#message);
    if (words !== "") this.#footer.append(make("span", { class: "quiet" }, words));
  }
}
