/**
 * Models of the Hugging Face hub: `owner/repo:file.gguf`, fetched once, resumed when cut, checked.
 * Of a model in several files (`-00001-of-00005.gguf`) all are fetched.
 *
 * @module
 */

import { join } from "node:path";
import { partNames } from "../../src/gguf/split_files.ts";
import { cacheFolder } from "./cache_folder.ts";
import { type FileDigest, isVerified, markerPath } from "./checksum.ts";
import { download } from "./download.ts";
import { withFileLock } from "./file_lock.ts";
import type { ProgressLine } from "./progress.ts";
import { SetupError } from "./setup_error.ts";

/** A file of a repository of the hub. */
export interface HubReference {
  /** `owner/repo`. */
  repo: string;
  /** Path in the repository; ends with `.gguf`. */
  file: string;
}

/** Where the hub is and who asks; from `HF_ENDPOINT` and `HF_TOKEN` unless given. */
export interface HubOptions {
  progress: ProgressLine;
  hubUrl?: string;
  token?: string;
  /** Default `models/hub` in the cache folder. */
  folder?: string;
  /** Wait before a broken download continues. Default 1 s, doubled at each try. */
  retryDelayMs?: number;
}

/**
 * Reads `owner/repo:file.gguf` or `owner/repo/file.gguf`, with or without `hf:` before it.
 *
 * @returns Null if `text` is neither.
 */
export function parseHubReference(text: string): HubReference | null {
  const match = /^(?:hf:)?([\w.-]+\/[\w.-]+)[:/]([\w.-]+(?:\/[\w.-]+)*\.gguf)$/.exec(text);
  if (match === null || /(^|\/)\.{1,2}(\/|$)/.test(`${match[1]}/${match[2]}`)) return null;
  return { repo: match[1], file: match[2] };
}

/** Where a file of the hub is kept, there or not. */
export function hubModelCachePath(reference: HubReference, folder?: string): string {
  const base = folder ?? join(cacheFolder(), "models", "hub");
  return join(base, reference.repo.replace("/", "--"), ...reference.file.split("/"));
}

/**
 * Makes sure a file of the hub is there, and the other parts of its model if it is a part; fetches
 * what is not. What was fetched whole is used without asking the hub.
 *
 * @returns Its path.
 * @throws {SetupError} If one cannot be fetched or is not what the hub says it is. A part that the
 * hub lacks is found before any is fetched.
 */
export async function ensureHubModel(
  reference: HubReference,
  options: HubOptions,
): Promise<string> {
  for (const file of partNames(reference.file)) await ensureFile({ ...reference, file }, options);
  return hubModelCachePath(reference, options.folder);
}

async function ensureFile(reference: HubReference, options: HubOptions): Promise<void> {
  const path = hubModelCachePath(reference, options.folder);
  if (await isFetched(path)) return;
  const onWait = () => options.progress.update(`waiting for another process that fetches ${path}`);
  await withFileLock(`${path}.lock`, async () => {
    if (await isFetched(path)) return;
    const { digest, url, headers } = await describe(reference, options);
    try {
      await download(path, {
        name: `${reference.repo}/${reference.file}`,
        url,
        headers,
        digest,
        onProgress: options.progress.update,
        retryDelayMs: options.retryDelayMs ?? 1000,
      });
    } finally {
      options.progress.finish();
    }
  }, onWait);
}

/** Whether the file is there as its marker says; the marker holds what the hub said of it. */
async function isFetched(path: string): Promise<boolean> {
  const marker = await Deno.readTextFile(markerPath(path)).catch(() => "");
  const match = /^(sha256|git-sha1) ([0-9a-f]+) (\d+)\n/.exec(marker);
  if (match === null) return false;
  const algorithm = match[1] as FileDigest["algorithm"];
  return await isVerified(path, { algorithm, hash: match[2], sizeBytes: Number(match[3]) });
}

interface HubFile {
  digest: FileDigest;
  url: string;
  headers: Record<string, string>;
}

/** Asks the hub for size, checksum and address, and whether it has the other parts. */
async function describe(reference: HubReference, options: HubOptions): Promise<HubFile> {
  const { repo, file } = reference;
  const { fileDownloadInfo, pathsInfo } = await import("@huggingface/hub");
  const token = (options.token ?? Deno.env.get("HF_TOKEN")) || null;
  const hubUrl = options.hubUrl ?? Deno.env.get("HF_ENDPOINT");
  const common = {
    repo,
    ...(hubUrl ? { hubUrl: hubUrl.replace(/\/+$/, "") } : {}),
    ...(token ? { accessToken: token } : {}),
  };
  try {
    const paths = partNames(file);
    const infos = await pathsInfo({ ...common, paths });
    const infoOf = (wanted: string) => infos.find(({ path }) => path === wanted);
    const lacking = paths.find((each) => infoOf(each) === undefined);
    if (lacking !== undefined) throw noSuchFile(lacking, repo);
    const found = await fileDownloadInfo({ ...common, path: file });
    if (!found) throw noSuchFile(file, repo);
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    return { digest: digestOf(infoOf(file)!, reference), url: found.url, headers };
  } catch (error) {
    throw explain(error, reference, token !== null);
  }
}

function noSuchFile(file: string, repo: string): SetupError {
  return new SetupError(`Cannot fetch ${file}: ${repo} has no such file`);
}

function digestOf(
  info: { size: number; oid?: string; lfs?: { oid: string; size: number } },
  { repo, file }: HubReference,
): FileDigest {
  if (info.lfs) {
    return { algorithm: "sha256", hash: info.lfs.oid, sizeBytes: info.lfs.size };
  }
  if (!info.oid) throw new SetupError(`Cannot check ${file}: ${repo} gives no checksum of it`);
  return { algorithm: "git-sha1", hash: info.oid, sizeBytes: info.size };
}

function explain(error: unknown, { repo, file }: HubReference, hasToken: boolean): SetupError {
  if (error instanceof SetupError) return error;
  const action = `Cannot fetch ${file} of ${repo}`;
  const status = (error as { statusCode?: number }).statusCode;
  if (status === 401 || status === 403) {
    const hint = hasToken
      ? "the hub refuses HF_TOKEN for it"
      : "the hub wants a token for it, or there is no such repository; set HF_TOKEN";
    return new SetupError(`${action}: ${hint}`, { cause: error });
  }
  if (status === 404) {
    return new SetupError(`${action}: the hub has no such repository`, { cause: error });
  }
  const state = error instanceof Error ? error.message : String(error);
  return new SetupError(`${action}: ${state}`, { cause: error });
}
