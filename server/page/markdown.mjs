/**
 * Markdown as elements. The text comes from a model and is not to be trusted: marked only splits it
 * into tokens, elements are made of those one by one, HTML in it stays text, links lead only to web
 * and mail addresses, and images become links, so that reading an answer contacts no host.
 */

import { icon, make } from "./dom.mjs";
import { Lexer } from "./marked.mjs";

const SAFE_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const OPTIONS = { gfm: true, breaks: false, pedantic: false, async: false };

function decode(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,4}));/gi, (all, dec, hex, name) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? all;
    const code = dec === undefined ? parseInt(hex, 16) : Number(dec);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

/** The address if it is one that may be opened, else null. */
export function safeAddress(href) {
  try {
    const url = new URL(href);
    return SAFE_PROTOCOLS.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(href, children) {
  const address = safeAddress(decode(href));
  if (address === null) return make("span", {}, ...children);
  const attributes = { href: address, target: "_blank", rel: "noopener noreferrer nofollow" };
  return make("a", attributes, ...children);
}

const INLINE = {
  strong: ({ tokens }) => make("strong", {}, ...inline(tokens)),
  em: ({ tokens }) => make("em", {}, ...inline(tokens)),
  del: ({ tokens }) => make("del", {}, ...inline(tokens)),
  codespan: ({ text }) => make("code", {}, text),
  br: () => make("br"),
  link: ({ href, tokens }) => link(href, inline(tokens)),
  image: ({ href, text }) => link(href, [text === "" ? href : text]),
  escape: ({ text }) => text,
  html: ({ raw }) => raw,
  checkbox: ({ checked }) => checked ? "☑ " : "☐ ",
  text: ({ text, tokens }) => tokens ? make("span", {}, ...inline(tokens)) : decode(text),
};

function inline(tokens) {
  return tokens.map((token) => INLINE[token.type]?.(token) ?? token.raw ?? "");
}

function codeBlock({ text, lang = "" }) {
  const [language] = lang.split(/\s/);
  const attributes = { type: "button", class: "icon small", "aria-label": "Copy the code" };
  const copy = make("button", { ...attributes, title: "Copy the code" }, icon("copy"));
  copy.addEventListener("click", () => {
    copy.dispatchEvent(new CustomEvent("copytext", { bubbles: true, detail: text }));
  });
  return make(
    "div",
    { class: "code" },
    language === "" ? null : make("span", { class: "language" }, language),
    // Scrollable, so it must be reachable by keyboard.
    make("pre", { tabindex: "0", "aria-label": `Code ${language}`.trim() }, make("code", {}, text)),
    copy,
  );
}

function table({ header, rows }) {
  const cells = (name, row) => row.map(({ tokens }) => make(name, {}, ...inline(tokens)));
  const head = make("thead", {}, make("tr", {}, ...cells("th", header)));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells("td", row))));
  return make("div", { class: "table", tabindex: "0" }, make("table", {}, head, body));
}

const BLOCK = {
  heading: ({ depth, tokens }) => make(`h${Math.min(6, depth + 1)}`, {}, ...inline(tokens)),
  paragraph: ({ tokens }) => make("p", {}, ...inline(tokens)),
  code: codeBlock,
  blockquote: ({ tokens }) => make("blockquote", {}, ...blocks(tokens)),
  list: ({ ordered, start, items }) =>
    make(
      ordered ? "ol" : "ul",
      ordered && Number(start) > 1 ? { start } : {},
      ...items.map(({ tokens }) => make("li", {}, ...blocks(tokens))),
    ),
  table,
  hr: () => make("hr"),
  html: ({ raw }) => make("p", {}, raw.trim()),
  space: () => null,
  def: () => null,
};

function block(token) {
  const build = BLOCK[token.type];
  if (build !== undefined) return build(token);
  return INLINE[token.type]?.(token) ?? token.raw;
}

function blocks(tokens) {
  return tokens.map(block).filter((node) => node !== null);
}

/**
 * Shows growing Markdown in `target`: what is already shown and has not changed stays as it is, so
 * that a selection in it lives on.
 */
export class MarkdownView {
  #target;
  #shown = [];

  /** @param {Element} target Its children belong to this view. */
  constructor(target) {
    this.#target = target;
  }

  /** Shows `text` from its beginning. */
  update(text) {
    const tokens = new Lexer(OPTIONS).lex(text);
    const same = tokens.findIndex((token, index) => token.raw !== this.#shown[index]?.raw);
    const keptCount = same === -1 ? tokens.length : same;
    for (const { node } of this.#shown.splice(keptCount)) node?.remove();
    for (const token of tokens.slice(keptCount)) {
      const built = block(token);
      const node = typeof built === "string" ? make("p", {}, built) : built;
      if (node !== null) this.#target.append(node);
      this.#shown.push({ raw: token.raw, node });
    }
  }
}
