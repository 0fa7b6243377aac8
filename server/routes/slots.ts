/**
 * GET /slots and POST /slots/{id}: what runs, and saving, restoring and erasing what the cache has
 * of it, under llama.cpp's names.
 *
 * @module
 */

import type { Context } from "hono";
import { z } from "zod";
import type { SlotAction, SlotInfo } from "../../src/engine/types.ts";
import { ApiError } from "../openai/errors.ts";
import { namedModel, type RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import type { ApiRoute } from "./route.ts";

/** A plain name: a letter or digit, then those, dots, dashes and underscores. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
/** Body of an action; erasing needs no name. */
const slotActionSchema = z.object({ filename: z.string().optional() });

const ACTIONS = ["save", "restore", "erase"] as const;

/** What runs in each slot. */
const slotsAnswer = z.array(z.object({
  id: count,
  n_ctx: count,
  is_processing: z.boolean(),
  state: z.enum(["idle", "prefill", "decode"]),
  n_prompt_tokens: count,
  n_prompt_tokens_cache: count,
  n_decoded: count,
  n_stored_tokens: count,
  kv_bytes: z.object({ raw: count, packed: count }),
  kept: z.object({
    method: z.string(),
    sealed_tokens: count,
    layers: z.array(z.object({ tokens: count, bytes: count, key_channels: count.optional() })),
  }).nullable(),
}));

/** What saving, restoring or erasing did. */
const slotActionAnswer = z.object({
  id_slot: count,
  filename: z.string().optional(),
  n_saved: count.optional(),
  n_written: count.optional(),
  n_restored: count.optional(),
  n_read: count.optional(),
  n_erased: count.optional(),
  timings: z.record(z.string(), z.number()).optional(),
});

function slotBody(info: SlotInfo, contextLength: number): object {
  return {
    id: info.slot,
    n_ctx: contextLength,
    is_processing: info.phase !== "idle",
    state: info.phase,
    n_prompt_tokens: info.promptTokenCount,
    n_prompt_tokens_cache: info.cachedTokenCount,
    n_decoded: info.generatedTokenCount,
    n_stored_tokens: info.storedTokenCount,
    kv_bytes: { raw: info.rawBytes, packed: info.packedBytes },
    kept: info.kept && {
      method: info.kept.method,
      sealed_tokens: info.kept.sealedTokenCount,
      layers: info.kept.layers.map(({ keyChannels, ...own }) =>
        keyChannels === undefined ? own : { ...own, key_channels: keyChannels }
      ),
    },
  };
}

/** Lists the slots. */
export function slotsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "GET",
    path: "/slots",
    handler: async (context) => {
      const { engine } = namedModel(routes, context);
      const { contextLength } = engine.info;
      const slots = await engine.slots();
      return context.json(slots.map((slot) => slotBody(slot, contextLength)));
    },
    doc: { summary: "What runs in each slot", answer: slotsAnswer },
  };
}

/**
 * `POST /slots/{id}?action=save|restore|erase`; the first two take a body `{"filename": NAME}`.
 *
 * @param folder Where files are; null refuses these two.
 */
export function slotActionRoute(routes: RouteContext, folder: string | null): ApiRoute {
  return {
    method: "POST",
    path: "/slots/:id",
    handler: async (context) => {
      const { engine } = namedModel(routes, context);
      const slot = readSlot(context);
      const type = readAction(context);
      const fileName = type === "erase" ? null : await readFileName(context);
      const startMs = performance.now();
      const action = fileName === null ? { type } : { type, path: pathOf(folder, fileName) };
      const { tokenCount, sizeBytes } = await engine.actOnSlot(slot, action as SlotAction);
      const elapsedMs = performance.now() - startMs;
      const named = { id_slot: slot, ...(fileName === null ? {} : { filename: fileName }) };
      switch (type) {
        case "save": {
          const timings = { save_ms: elapsedMs };
          return context.json({ ...named, n_saved: tokenCount, n_written: sizeBytes, timings });
        }
        case "restore": {
          const timings = { restore_ms: elapsedMs };
          return context.json({ ...named, n_restored: tokenCount, n_read: sizeBytes, timings });
        }
        case "erase":
          return context.json({ ...named, n_erased: tokenCount });
      }
    },
    doc: {
      summary: "Save, restore or erase (`?action=`) what the cache has of a slot's last prompt",
      request: slotActionSchema,
      answer: slotActionAnswer,
      errors: [507],
      params: { id: "number of the slot" },
    },
  };
}

function readSlot(context: Context): number {
  const text = context.req.param("id") ?? "";
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new ApiError(400, `Cannot find slot "${text}": must be a number`, { param: "id" });
}

function readAction(context: Context): (typeof ACTIONS)[number] {
  const text = context.req.query("action") ?? "";
  const action = ACTIONS.find((name) => name === text);
  if (action) return action;
  const message = `Cannot do "${text}" to a slot: action must be save, restore or erase`;
  throw new ApiError(400, message, { param: "action" });
}

async function readFileName(context: Context): Promise<string> {
  const body: unknown = await context.req.json().catch(() => null);
  const name = (body as { filename?: unknown } | null)?.filename;
  if (typeof name === "string" && FILE_NAME.test(name)) return name;
  const message = `Cannot use filename ${JSON.stringify(name)}: must be a plain name of letters, ` +
    `digits, dots, dashes and underscores`;
  throw new ApiError(400, message, { param: "filename" });
}

function pathOf(folder: string | null, fileName: string): string {
  if (folder !== null) return `${folder}/${fileName}`;
  const message = "Cannot save or restore: start the server with --slot-save-path DIR";
  throw new ApiError(400, message, { code: "not_enabled" });
}
