/**
 * The web page: a handful of files that need no key, under a policy that lets them load nothing
 * from elsewhere and run nothing but themselves.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Context, Hono } from "hono";
import { answerError, ApiError } from "../openai/errors.ts";
import { DOCS } from "./docs.ts";
import api from "./api.mjs" with { type: "text" };
import composer from "./composer.mjs" with { type: "text" };
import conversationList from "./conversation_list.mjs" with { type: "text" };
import dom from "./dom.mjs" with { type: "text" };
import format from "./format.mjs" with { type: "text" };
import favicon from "./icon.svg" with { type: "text" };
import icons from "./icons.svg" with { type: "text" };
import guideStyle from "./guide.css" with { type: "text" };
import guideIndex from "./guide.html" with { type: "text" };
import guide from "./guide.mjs" with { type: "text" };
import index from "./index.html" with { type: "text" };
import main from "./main.mjs" with { type: "text" };
import markdown from "./markdown.mjs" with { type: "text" };
import marked from "./marked.mjs" with { type: "text" }; // the package: deno.json
import messageView from "./message_view.mjs" with { type: "text" };
import meter from "./meter.mjs" with { type: "text" };
import problems from "./problems.mjs" with { type: "text" };
import prometheus from "./prometheus.mjs" with { type: "text" };
import settings from "./settings.mjs" with { type: "text" };
import slots from "./slots.mjs" with { type: "text" };
import sse from "./sse.mjs" with { type: "text" };
import store from "./store.mjs" with { type: "text" };
import baseStyle from "./base.css" with { type: "text" };
import listStyle from "./list.css" with { type: "text" };
import chatStyle from "./chat.css" with { type: "text" };
import markdownStyle from "./markdown.css" with { type: "text" };
import meterStyle from "./meter.css" with { type: "text" };
import dialogStyle from "./dialogs.css" with { type: "text" };
import narrowStyle from "./narrow.css" with { type: "text" };
import turn from "./turn.mjs" with { type: "text" };

const FILES: Readonly<Record<string, string>> = {
  "api.mjs": api,
  "composer.mjs": composer,
  "conversation_list.mjs": conversationList,
  "dom.mjs": dom,
  "format.mjs": format,
  "guide.css": guideStyle,
  "guide.mjs": guide,
  "icon.svg": favicon,
  "icons.svg": icons,
  "main.mjs": main,
  "markdown.mjs": markdown,
  "marked.mjs": marked,
  "message_view.mjs": messageView,
  "meter.mjs": meter,
  "problems.mjs": problems,
  "prometheus.mjs": prometheus,
  "settings.mjs": settings,
  "slots.mjs": slots,
  "sse.mjs": sse,
  "store.mjs": store,
  "turn.mjs": turn,
  "base.css": baseStyle,
  "list.css": listStyle,
  "chat.css": chatStyle,
  "markdown.css": markdownStyle,
  "meter.css": meterStyle,
  "dialogs.css": dialogStyle,
  "narrow.css": narrowStyle,
};

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  md: "text/markdown; charset=utf-8",
  html: "text/html; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml; charset=utf-8",
};

/** What the page may do; trusted types make every use of HTML text an error. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-cache", // asked about each time, sent again only if it changed
};

function answerFile(context: Context, name: string, text: string): Response {
  const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
  const headers = {
    ...HEADERS,
    "Content-Type": CONTENT_TYPES[name.split(".").at(-1)!],
    ETag: etag,
  };
  if (context.req.header("If-None-Match") === etag) return context.body(null, 304, headers);
  return context.body(text, 200, headers);
}

function answerMissing(context: Context): Response {
  const message = `Cannot serve ${context.req.path}: no such file`;
  return answerError(new ApiError(404, message, { code: "not_found" }), context);
}

/** Adds the page at `/`, its files below `/page/`, and the guide. */
export function addPage(app: Hono): void {
  app.get("/", (context) => answerFile(context, "index.html", index));
  app.get("/page/:name", (context) => {
    const { name } = context.req.param();
    if (Object.hasOwn(FILES, name)) return answerFile(context, name, FILES[name]);
    return answerMissing(context);
  });
  app.get("/guide", (context) => {
    // Its addresses are relative: below a slash they would be others.
    if (new URL(context.req.url).pathname.endsWith("/")) return context.redirect("../guide");
    return answerFile(context, "guide.html", guideIndex);
  });
  app.get("/guide/:name", (context) => {
    const { name } = context.req.param();
    return Object.hasOwn(DOCS, name)
      ? answerFile(context, name, DOCS[name])
      : answerMissing(context);
  });
}
