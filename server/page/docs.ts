/**
 * The texts of `server/docs/`, which the guide shows.
 *
 * @module
 */

import capacity from "../docs/capacity.md" with { type: "text" };
import clients from "../docs/clients.md" with { type: "text" };
import codec from "../docs/codec.md" with { type: "text" };
import methods from "../docs/methods.md" with { type: "text" };
import operations from "../docs/operations.md" with { type: "text" };
import replicas from "../docs/replicas.md" with { type: "text" };
import serving from "../docs/serving.md" with { type: "text" };
import troubleshooting from "../docs/troubleshooting.md" with { type: "text" };

/** Markdown by file name. */
export const DOCS: Readonly<Record<string, string>> = {
  "capacity.md": capacity,
  "clients.md": clients,
  "codec.md": codec,
  "methods.md": methods,
  "operations.md": operations,
  "replicas.md": replicas,
  "serving.md": serving,
  "troubleshooting.md": troubleshooting,
};
