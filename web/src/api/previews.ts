/** The latest preview of each running node, kept beside the query cache so that only its node is drawn again. */
import { useSyncExternalStore } from "react";

const latest = new Map<string, string>();
const listeners = new Set<() => void>();

function tell(): void {
  listeners.forEach((listener) => listener());
}

export function setPreview(node: string, image: string): void {
  if (!image.startsWith("data:image/")) return;
  latest.set(node, image);
  tell();
}

export function dropPreview(node: string): void {
  if (latest.delete(node)) tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The preview of a node as a data URL, or null. */
export function usePreview(node: string): string | null {
  return useSyncExternalStore(subscribe, () => latest.get(node) ?? null);
}
