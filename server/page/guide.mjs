/** The guide: the pages of `server/docs/`, one at a time, named by the address's hash. */

import { byId, make } from "./dom.mjs";
import { MarkdownView } from "./markdown.mjs";

const FIRST = "serving";

/** Links between pages are to files, for those who read them as such: here they are hashes. */
function withHashes(text) {
  return text.replace(/\]\((\w+)\.md\)/g, `](${location.origin}${location.pathname}#$1)`);
}

async function load(name) {
  const response = await fetch(`guide/${name}.md`);
  if (!response.ok) throw new Error(`There is no page called ${name}.`);
  return await response.text();
}

async function show() {
  const name = location.hash.slice(1) || FIRST;
  const place = byId("text");
  place.replaceChildren();
  try {
    new MarkdownView(place).update(withHashes(await load(name)));
  } catch (error) {
    place.append(make("p", {}, error instanceof Error ? error.message : String(error)));
  }
  for (const link of place.querySelectorAll("a")) {
    if (new URL(link.href).origin === location.origin) link.removeAttribute("target");
  }
  place.addEventListener("copytext", ({ detail }) => navigator.clipboard?.writeText(detail), {
    once: true,
  });
  document.title = `${place.querySelector("h2")?.textContent ?? name} · PackKV Serve`;
  for (const link of document.querySelectorAll("nav a")) {
    const isCurrent = link.getAttribute("href") === `#${name}`;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

document.documentElement.dataset.theme = themeOf();
addEventListener("hashchange", show);
await show();

/** The colours chosen on the chat page. */
function themeOf() {
  try {
    return JSON.parse(localStorage.getItem("packkv.settings") ?? "{}").theme ?? "auto";
  } catch {
    return "auto";
  }
}
