/**
 * Which web pages may use a server that asks for no key. A browser is on this machine, so the
 * address it listens on is no protection: any page can post to it, and one whose name resolves to
 * this machine (DNS rebinding) can read its answers too.
 *
 * @module
 */

import type { MiddlewareHandler } from "hono";
import { ApiError } from "./openai/errors.ts";

/** What a server without keys lets through. */
export interface AccessOptions {
  /** Names it is called by, beside addresses and `localhost`; "*" for any. */
  hostNames: readonly string[];
  /** Origins of other pages, "*" for any. */
  corsOrigins: readonly string[];
}

function parseHost(host: string, protocol = "http:"): URL | null {
  return URL.parse(`${protocol}//${host}`);
}

/** Name of a host without port, brackets and a dot at its end, in small letters. */
export function plainHost(host: string): string {
  const name = /^[^[].*:.*:/.test(host) ? host : parseHost(host)?.hostname ?? host;
  return name.replace(/^\[|\]$|\.$/g, "").toLowerCase();
}

function isAddress(name: string): boolean {
  // URLs write every form of an IPv4 address, and no other name, as four numbers.
  return name.includes(":") || /^\d+(\.\d+){3}$/.test(name);
}

function isLocalName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

function checkHost(host: string, hostNames: readonly string[]): void {
  const name = plainHost(host);
  if (isAddress(name) || isLocalName(name)) return;
  if (hostNames.some((known) => known === "*" || plainHost(known) === name)) return;
  throw new ApiError(
    403,
    `Cannot answer for the host ${JSON.stringify(name)}: a server without keys answers for ` +
      `addresses, localhost and the name of --host; start it with --allowed-hosts ${name}, or ` +
      `with --api-key KEY`,
    { code: "host_not_allowed" },
  );
}

function isSameOrigin(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  // The scheme may differ: a proxy may speak TLS.
  return page !== null && page.host !== "" && parseHost(host, page.protocol)?.host === page.host;
}

function checkOrigin(origin: string, host: string, corsOrigins: readonly string[]): void {
  if (isSameOrigin(origin, host)) return;
  if (corsOrigins.some((known) => known === "*" || known === origin)) return;
  throw new ApiError(
    403,
    `Cannot answer a page of another origin, ${JSON.stringify(origin)}: start the server with ` +
      `--cors ${origin} to allow it`,
    { code: "origin_not_allowed" },
  );
}

/** Refuses with 403 what a page that is not this server's own may have sent. */
export function checkAccess({ hostNames, corsOrigins }: AccessOptions): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("Host") ?? "";
    const origin = context.req.header("Origin");
    // Every browser names the host; what names none is a client of HTTP/1.0.
    if (host !== "") checkHost(host, hostNames);
    if (origin !== undefined) checkOrigin(origin, host, corsOrigins);
    await next();
  };
}
