/** What the address says to show. Behind a #, so that the server has one page only. */
import { useSyncExternalStore } from "react";

export type CompareView = "slider" | "side" | "difference";
export const compareViews: readonly CompareView[] = ["slider", "side", "difference"];

export type Route =
  | { readonly kind: "home"; readonly trashed: boolean }
  | {
      readonly kind: "project";
      readonly project: string;
      readonly node: string | null;
      readonly compare: { readonly left: string; readonly right: string; readonly view: CompareView } | null;
    };

/** Read an address such as "#/designs/ID?node=ID&compare=ID.ID&view=slider"; anything else is home. */
export function parseRoute(hash: string): Route {
  const [place = "", query = ""] = hash.replace(/^#/, "").split("?");
  const parts = place.split("/").filter(Boolean);
  const terms = new URLSearchParams(query);
  if (parts[0] === "trash") return { kind: "home", trashed: true };
  if (parts[0] !== "designs" || !parts[1]) return { kind: "home", trashed: false };
  const [left, right] = (terms.get("compare") ?? "").split(".");
  const view = compareViews.find((known) => known === terms.get("view")) ?? "slider";
  return {
    kind: "project",
    project: parts[1],
    node: terms.get("node"),
    compare: left && right ? { left, right, view } : null,
  };
}

export function formatRoute(route: Route): string {
  if (route.kind === "home") return route.trashed ? "#/trash" : "#/";
  const terms = new URLSearchParams();
  if (route.node) terms.set("node", route.node);
  if (route.compare) {
    terms.set("compare", `${route.compare.left}.${route.compare.right}`);
    if (route.compare.view !== "slider") terms.set("view", route.compare.view);
  }
  const query = terms.toString();
  return `#/designs/${route.project}${query ? `?${query}` : ""}`;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

export function useHash(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash);
}

/** Go to a route; with `replace` the step back skips what is shown now. */
export function go(route: Route, replace = false): void {
  const hash = formatRoute(route);
  if (hash === window.location.hash) return;
  if (!replace) {
    window.location.hash = hash;
    return;
  }
  window.history.replaceState(null, "", hash);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
