/** Follow a design's events, and come back after the connection was lost. */
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api } from "./addresses";
import { dropPreview, setPreview } from "./previews";
import { isChangeOfDesign, withNodes, withProject, withVersion } from "./reduce";
import type { Lookup, Node, Project, Tree } from "./types";

export type Connection = "live" | "lost";
export const treeKey = (project: string) => ["tree", project] as const;
export const lookupKey = (lookup: string) => ["lookup", lookup] as const;
const longestWait = 15_000;

/** What is asked of the server when several events in a row say that it knows more than the page. */
function refresher(client: QueryClient, project: string): { soon: () => void; stop: () => void } {
  let timer: number | undefined;
  const soon = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void client.invalidateQueries({ queryKey: treeKey(project) }), 300);
  };
  return { soon, stop: () => window.clearTimeout(timer) };
}

interface Follower {
  onMessage: (kind: string, data: string, version: number) => void;
  onConnection: (connection: Connection) => void;
  version: () => number;
}

/** Keep an EventSource open; one that the browser gave up on is opened anew, ever more slowly. */
function follow(project: string, follower: Follower): () => void {
  let source: EventSource | null = null;
  let timer: number | undefined;
  let wait = 500;
  const open = () => {
    source = new EventSource(api(`/projects/${project}/events?after=${follower.version()}`));
    source.onopen = () => {
      wait = 500;
      follower.onConnection("live");
    };
    source.onerror = () => {
      follower.onConnection("lost");
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, longestWait);
    };
    for (const kind of ["node", "lookup", "project", "preview", "reset"]) {
      source.addEventListener(kind, (event: MessageEvent<string>) =>
        follower.onMessage(kind, event.data, Number(event.lastEventId) || 0),
      );
    }
  };
  open();
  return () => {
    window.clearTimeout(timer);
    source?.close();
  };
}

function take(client: QueryClient, project: string, refresh: () => void) {
  const key = treeKey(project);
  const update = (change: (tree: Tree) => Tree) =>
    client.setQueryData<Tree>(key, (tree) => (tree ? change(tree) : tree));
  return (kind: string, data: string, version: number) => {
    if (version) update((tree) => withVersion(tree, version));
    if (kind === "reset") return void client.invalidateQueries({ queryKey: key });
    const body: unknown = JSON.parse(data);
    if (kind === "node") {
      const node = body as Node;
      const before = client.getQueryData<Tree>(key)?.nodes.find((other) => other.id === node.id);
      if (node.state !== "running") dropPreview(node.id);
      update((tree) => withNodes(tree, [node]));
      if (isChangeOfDesign(before, node)) refresh();
    } else if (kind === "project") update((tree) => withProject(tree, body as Project));
    else if (kind === "lookup") client.setQueryData(lookupKey((body as Lookup).id), body);
    else if (kind === "preview") {
      const preview = body as { node_id: string; image: string };
      setPreview(preview.node_id, preview.image);
    }
  };
}

/** Keep the cached tree of a design true while it is shown; says "lost" while the server is out of reach. */
export function useEvents(project: string, ready: boolean): Connection {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>("live");
  const wasLost = useRef(false);
  useEffect(() => {
    if (!ready) return;
    const refresh = refresher(client, project);
    const stop = follow(project, {
      onMessage: take(client, project, refresh.soon),
      onConnection: (next) => {
        if (next === "live" && wasLost.current) refresh.soon();
        wasLost.current = next === "lost";
        setConnection(next);
      },
      version: () => client.getQueryData<Tree>(treeKey(project))?.version ?? 0,
    });
    return () => {
      stop();
      refresh.stop();
    };
  }, [client, project, ready]);
  return connection;
}
