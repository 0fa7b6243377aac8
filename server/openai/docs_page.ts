/**
 * `/docs`: the reference page, Swagger UI from its package, over `/openapi.json`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Context, Hono } from "hono";
import bundle from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "text" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "text" };

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>PackKV Serve: API reference</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  // No validator: it would send the document away.
  validatorUrl: null,
});
`;

// Swagger UI sets styles from its script and runs nothing from elsewhere.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

const FILES: Readonly<Record<string, { type: string; text: string }>> = {
  "start.js": { type: "text/javascript", text: START },
  "swagger-ui-bundle.js": { type: "text/javascript", text: bundle },
  "swagger-ui.css": { type: "text/css", text: style },
};

function answerFile(context: Context, name: string): Response {
  const { type, text } = FILES[name];
  const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
  const headers = {
    "Content-Type": `${type}; charset=utf-8`,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    ETag: etag,
  };
  if (context.req.header("If-None-Match") === etag) return context.body(null, 304, headers);
  return context.body(text, 200, headers);
}

/** Adds the page at `/docs` and its files below it. */
export function addDocsPage(app: Hono): void {
  app.get("/docs", (context) => context.html(PAGE, 200, { "Content-Security-Policy": POLICY }));
  for (const name of Object.keys(FILES)) {
    app.get(`/docs/${name}`, (context) => answerFile(context, name));
  }
}
