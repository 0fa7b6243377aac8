/**
 * The models that a server has, as routes see them: one that is there from the start, or several
 * that are loaded as they are asked for.
 *
 * @module
 */

import type { EngineInfo } from "../../src/engine/types.ts";
import { ApiError, STATUS_BY_CODE } from "../openai/errors.ts";
import type { ServedModel, ServerState } from "../state.ts";

/** A loaded model by the name that answers carry. */
export interface NamedModel extends ServedModel {
  readonly id: string;
}

/** What a model is doing. */
export type ModelStatus = "unloaded" | "loading" | "loaded" | "unloading" | "failed";

/** What is known of a model that is not loaded: its file's header says so. */
export interface ModelOutline {
  /** Most tokens of a sequence once it is loaded. */
  contextLength: number;
  contextLengthTrained: number;
  /** Of its files. */
  sizeBytes: number;
}

/** A model in a list. */
export interface ModelListing {
  id: string;
  /** Other names that requests may use. */
  aliases: readonly string[];
  status: ModelStatus;
  /** What is in force; null unless it is loaded. */
  info: EngineInfo | null;
  /** Null if it is loaded, or its file is not on this machine yet. */
  outline: ModelOutline | null;
  /** Why it could not be loaded, or ended; null if that did not happen last. */
  failure: string | null;
}

/** A model that is kept loaded for a request. */
export interface ModelUse {
  model: NamedModel;
  /** The request is over. Idempotent. */
  end(): void;
}

/** The models that a server has. */
export interface Models {
  /** Whether they are loaded and unloaded as they are asked for. */
  readonly areMany: boolean;
  readonly ids: readonly string[];
  /** Called before a model is unloaded, if models are. */
  onUnloading: (model: NamedModel) => Promise<void>;
  list(): Promise<ModelListing[]>;
  /**
   * The id of the model that a name means; no name means the only one.
   *
   * @throws {ApiError} 404 `model_not_found`; 400 if there are several and none is named.
   */
  find(name: string | null): string;
  /**
   * Loads a model unless it is, and keeps it until {@link ModelUse.end}.
   *
   * @param signal Ends waiting with its reason.
   * @throws {ApiError | EngineError} Why it cannot be loaded.
   */
  use(id: string, signal: AbortSignal): Promise<ModelUse>;
  /**
   * A model that is loaded.
   *
   * @throws {ApiError} 503 if it is not.
   */
  loaded(id: string): NamedModel;
  /** The ids of those that are loaded. */
  readonly loadedIds: readonly string[];
  /** What those who wait for a model wait for, in words. */
  activityOf(id: string): string;
  /**
   * Unloads a model once the requests that use it are over.
   *
   * @throws {ApiError} 400 if models are not loaded and unloaded.
   */
  unload(id: string): Promise<void>;
}

/** @throws {ApiError} 404 for a name that is none of `names`. */
export function modelNotFound(name: string, names: readonly string[]): ApiError {
  const known = names.map((each) => JSON.stringify(each)).join(", ");
  const message = `Cannot find the model ${JSON.stringify(name)}: this server has ${known}`;
  return new ApiError(404, message, { param: "model", code: "model_not_found" });
}

/**
 * Refuses requests that come while the server ends.
 *
 * @throws {ApiError} 503 `shutting_down`.
 */
export function refuseWhenStopping({ phase }: ServerState): void {
  if (phase.name !== "stopping") return;
  const message = "Cannot answer: the server is shutting down";
  throw new ApiError(503, message, { code: "shutting_down" });
}

/**
 * The model that the server's state holds.
 *
 * @throws {ApiError} 503 while loading, after a failure, and when stopping.
 */
function readyModel(state: ServerState): ServedModel {
  refuseWhenStopping(state);
  const { phase } = state;
  if (phase.name === "ready") return phase.model;
  if (phase.name === "failed") {
    const { code, message } = phase;
    const status = Math.max(503, STATUS_BY_CODE[code]);
    throw new ApiError(status, `Cannot answer: the engine failed: ${message}`, { code });
  }
  throw new ApiError(503, "Cannot answer yet: the model is loading", { code: "loading" });
}

/** The one model of a server, loaded from its start to its end. */
export class OneModel implements Models {
  readonly areMany = false;
  onUnloading: Models["onUnloading"] = () => Promise.resolve();
  readonly #state: ServerState;
  readonly #id: string;
  readonly #aliases: readonly string[];

  constructor(state: ServerState, id: string, aliases: readonly string[] = []) {
    this.#state = state;
    this.#id = id;
    this.#aliases = aliases;
  }

  get ids(): readonly string[] {
    return [this.#id];
  }

  get loadedIds(): readonly string[] {
    return this.#state.phase.name === "ready" ? [this.#id] : [];
  }

  /** @throws {ApiError} 503 as long as it is not loaded. */
  // deno-lint-ignore require-await
  async list(): Promise<ModelListing[]> {
    const { engine: { info } } = this.loaded();
    const rest = { status: "loaded", outline: null, failure: null } as const;
    return [{ id: this.#id, aliases: this.#aliases, info, ...rest }];
  }

  find(name: string | null): string {
    const names = [this.#id, ...this.#aliases];
    if (name === null || name === "" || names.includes(name)) return this.#id;
    throw modelNotFound(name, names);
  }

  // deno-lint-ignore require-await
  async use(): Promise<ModelUse> {
    return { model: this.loaded(), end() {} };
  }

  loaded(): NamedModel {
    return { ...readyModel(this.#state), id: this.#id };
  }

  activityOf(): string {
    return `loading ${this.#id}`;
  }

  // deno-lint-ignore require-await
  async unload(): Promise<void> {
    const message = "Cannot load or unload models: start the server with --models FOLDER|FILE";
    throw new ApiError(400, message, { code: "not_enabled" });
  }
}
