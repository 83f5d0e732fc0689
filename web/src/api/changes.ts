/** What is changed on the server: at once on the page where that is safe, taken back where it fails. */
import { useMutation, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { below, familyOf } from "../tree/family";
import { forgetAllDrafts } from "../tree/draft";
import { api } from "./addresses";
import { change, freshKey } from "./client";
import { treeKey } from "./events";
import { meKey, projectsKey, queueKey } from "./queries";
import { withNodes } from "./reduce";
import type {
  BranchAsk,
  Login,
  Lookup,
  Me,
  Node,
  NodePatch,
  Project,
  Queue,
  Region,
  ReplayAsk,
  Tree,
  Upload,
} from "./types";

/** Show nodes as `guess` makes them until the server answers; returns how to go back. */
function showAtOnce(client: QueryClient, project: string, guess: (tree: Tree) => Node[]): () => void {
  const before = client.getQueryData<Tree>(treeKey(project));
  if (!before) return () => undefined;
  const guessed = guess(before);
  client.setQueryData<Tree>(treeKey(project), withNodes(before, guessed));
  const ids = new Set(guessed.map((node) => node.id));
  const old = before.nodes.filter((node) => ids.has(node.id));
  return () => client.setQueryData<Tree>(treeKey(project), (tree) => tree && withNodes(tree, old));
}

function put(client: QueryClient, project: string, nodes: Node[]): void {
  client.setQueryData<Tree>(treeKey(project), (tree) => tree && withNodes(tree, nodes));
  void client.invalidateQueries({ queryKey: treeKey(project) });
  void client.invalidateQueries({ queryKey: queueKey });
}

/** Changes of one design go to the server one after the other, so that an undo takes back what was done before it. */
const inTurn = (project: string) => ({ id: `tree ${project}` });

/** A change of nodes of a design that answers with the nodes that changed. */
function useNodeChange<Ask>(
  project: string,
  send: (ask: Ask) => Promise<Node | Node[]>,
  guess?: (tree: Tree, ask: Ask) => Node[],
) {
  const client = useQueryClient();
  return useMutation({
    scope: inTurn(project),
    mutationFn: send,
    onMutate: async (ask: Ask) => {
      if (!guess) return undefined;
      await client.cancelQueries({ queryKey: treeKey(project) });
      return showAtOnce(client, project, (tree) => guess(tree, ask));
    },
    onError: (_error, _ask, goBack) => goBack?.(),
    onSuccess: (answer) => put(client, project, Array.isArray(answer) ? answer : [answer]),
  });
}

export const useBranch = (project: string) =>
  useNodeChange(project, ({ node, ask, key }: { node: string; ask: BranchAsk; key: string }) =>
    change<Node[]>("POST", api(`/nodes/${node}/branches`), ask, key),
  );

export const useReplay = (project: string) =>
  useNodeChange(project, ({ node, ask }: { node: string; ask: ReplayAsk }) =>
    change<Node[]>("POST", api(`/nodes/${node}/replay`), ask, freshKey()),
  );

export const usePatchNode = (project: string) =>
  useNodeChange(
    project,
    ({ node, patch }: { node: string; patch: NodePatch }) =>
      change<Node>("PATCH", api(`/nodes/${node}`), patch),
    (tree, { node, patch }) =>
      tree.nodes
        .filter((one) => one.id === node)
        .map((one) => ({ ...one, label: patch.label ?? one.label, starred: patch.starred ?? one.starred })),
  );

export const usePrune = (project: string) =>
  useNodeChange(
    project,
    (node: string) => change<Node[]>("POST", api(`/nodes/${node}/prune`)),
    (tree, node) => {
      const hidden = new Set(below(familyOf(tree.nodes, tree.project.root_id), node));
      return tree.nodes.filter((one) => hidden.has(one.id)).map((one) => ({ ...one, pruned: true }));
    },
  );

export type NodeVerb = "restore" | "cancel" | "retry" | "move?to=front" | "move?to=back";
export const useNodeVerb = (project: string) =>
  useNodeChange(project, ({ node, verb }: { node: string; verb: NodeVerb }) =>
    change<Node | Node[]>("POST", api(`/nodes/${node}/${verb}`)),
  );

export function useUndo(project: string) {
  const client = useQueryClient();
  return useMutation({
    scope: inTurn(project),
    mutationFn: (direction: "back" | "forth") =>
      change<Tree>("POST", api(`/projects/${project}/undo?direction=${direction}`)),
    onSuccess: async (tree) => {
      // What is read meanwhile may be older than this answer.
      await client.cancelQueries({ queryKey: treeKey(project) });
      client.setQueryData(treeKey(project), tree);
    },
  });
}

/** A change of the list of designs. */
function useListChange<Ask, Answer>(
  send: (ask: Ask) => Promise<Answer>,
  then?: (client: QueryClient, answer: Answer) => void,
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: send,
    onSuccess: (answer) => {
      then?.(client, answer);
      return client.invalidateQueries({ queryKey: projectsKey });
    },
  });
}

const keep = (client: QueryClient, tree: Tree) => client.setQueryData(treeKey(tree.project.id), tree);

export const useCreateProject = () =>
  useListChange((start: { picture: File } | { gallery: string; title: string }) => {
    const form = new FormData();
    if ("picture" in start) {
      form.set("image", start.picture);
      form.set("title", start.picture.name.replace(/\.[^.]*$/, "").slice(0, 200));
    } else {
      form.set("gallery", start.gallery);
      form.set("title", start.title);
    }
    return change<Tree>("POST", api("/projects"), form, freshKey());
  }, keep);

export const useImport = () =>
  useListChange((archive: File) => {
    const form = new FormData();
    form.set("archive", archive);
    return change<Tree>("POST", api("/projects/import"), form, freshKey());
  }, keep);

export const useDuplicate = () =>
  useListChange((project: string) =>
    change<Project>("POST", api(`/projects/${project}/duplicate`), undefined, freshKey()),
  );

export const useTrash = () =>
  useListChange(({ project, forGood }: { project: string; forGood: boolean }) =>
    change<undefined>("DELETE", api(`/projects/${project}?for_good=${forGood}`)),
  );

export const useRestoreProject = () =>
  useListChange((project: string) => change<Project>("POST", api(`/projects/${project}/restore`)));

export const useRename = () =>
  useListChange(
    ({ project, title }: { project: string; title: string }) =>
      change<Project>("PATCH", api(`/projects/${project}`), { title }),
    (client, project) =>
      client.setQueryData<Tree>(treeKey(project.id), (tree) => tree && { ...tree, project }),
  );

export function usePauseQueue() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (paused: boolean) => change<Queue>("POST", api(`/queue/pause?paused=${paused}`)),
    onSuccess: (queue) => client.setQueryData(queueKey, queue),
  });
}

export const useUpload = () =>
  useMutation({
    mutationFn: (picture: Blob) => {
      const form = new FormData();
      form.set("image", picture, picture instanceof File ? picture.name : "mask.png");
      return change<Upload>("POST", api("/uploads"), form);
    },
  });

export const useLookUp = (node: string) =>
  useMutation({
    mutationFn: ({ region, instruction }: { region: Region; instruction: string }) =>
      change<Lookup>(
        "POST",
        api(`/nodes/${node}/lookups?instruction=${encodeURIComponent(instruction)}`),
        region,
      ),
  });

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (login: Login) => change<Me>("POST", api("/login"), login),
    onSuccess: (me) => {
      client.setQueryData(meKey, me);
      return client.invalidateQueries();
    },
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => change<undefined>("POST", api("/logout")),
    onSuccess: () => {
      forgetAllDrafts();
      return client.resetQueries();
    },
  });
}
