/** Drafts that outlive the page: kept by this browser until they are sent, for a month at most. */
import type { Draft } from "./draft";

const prefix = "retouch-draft-";
const most = 100;
const month = 30 * 86_400_000;

/** The parts of `Storage` that are used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** The browser's storage, or null where it gives none. */
export function storeOfBrowser(): Store | null {
  try {
    return typeof localStorage === "undefined" ? null : localStorage;
  } catch {
    return null;
  }
}

interface Kept {
  readonly at: number;
  readonly draft: Draft;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What was written, where it still is a draft: another version of the page may have written it. */
function read(text: string | null): Kept | null {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (!isObject(value) || typeof value.at !== "number" || !isObject(value.draft)) return null;
    const { instruction, model, count, settings, region, references } = value.draft;
    const fits =
      typeof instruction === "string" &&
      (model === null || typeof model === "string") &&
      typeof count === "number" &&
      isObject(settings) &&
      (region === null || isObject(region)) &&
      Array.isArray(references) &&
      references.every((one) => isObject(one) && typeof one.upload === "string");
    return fits ? (value as unknown as Kept) : null;
  } catch {
    return null;
  }
}

function keysOf(store: Store): string[] {
  const keys = Array.from({ length: store.length }, (_, index) => store.key(index));
  return keys.filter((key): key is string => key?.startsWith(prefix) ?? false);
}

/** Throw away what is older than a month, and the oldest of too many. */
function tidy(store: Store, now: number): void {
  const ages = keysOf(store).map((key) => [key, read(store.getItem(key))?.at ?? 0] as const);
  ages.sort(([, one], [, other]) => other - one);
  ages.forEach(([key, at], place) => {
    if (place >= most || now - at > month) store.removeItem(key);
  });
}

/** The draft that was kept for a node, or null. */
export function keptDraft(store: Store | null, node: string): Draft | null {
  return read(store?.getItem(prefix + node) ?? null)?.draft ?? null;
}

/** Keep a draft, or nothing where it is null. A browser that keeps nothing is no reason to stop typing. */
export function keepDraft(store: Store | null, node: string, draft: Draft | null, now = Date.now()): void {
  if (!store) return;
  try {
    if (draft === null) return store.removeItem(prefix + node);
    const known = store.getItem(prefix + node) !== null;
    store.setItem(prefix + node, JSON.stringify({ at: now, draft } satisfies Kept));
    if (!known) tidy(store, now);
  } catch {
    // Full, or forbidden: the draft still stands while the page is open.
  }
}

/** Forget all of them: whoever comes next at this browser is to read none. */
export function forgetDrafts(store: Store | null): void {
  if (store) keysOf(store).forEach((key) => store.removeItem(key));
}
