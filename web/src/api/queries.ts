/** What is read from the server, cached. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { api } from "./addresses";
import { get } from "./client";
import { lookupKey, treeKey } from "./events";
import { readNotOlder } from "./reduce";
import type { Comparison, GalleryPicture, Lookup, Me, Model, ProjectPage, Queue, Tree } from "./types";

const lasting = { staleTime: Infinity, gcTime: Infinity } as const;
export const projectsKey = ["projects"] as const;
export const queueKey = ["queue"] as const;
export const meKey = ["me"] as const;

export const useMe = () =>
  useQuery({ queryKey: meKey, queryFn: ({ signal }) => get<Me>(api("/me"), signal), ...lasting });

export const useModels = () =>
  useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => get<Model[]>(api("/models"), signal),
    ...lasting,
  });

export const useGallery = () =>
  useQuery({
    queryKey: ["gallery"],
    queryFn: ({ signal }) => get<GalleryPicture[]>(api("/gallery"), signal),
    ...lasting,
  });

/** The queue's state, asked for often while `busy`, else now and then. */
export const useQueue = (busy: boolean) =>
  useQuery({
    queryKey: queueKey,
    queryFn: ({ signal }) => get<Queue>(api("/queue"), signal),
    refetchInterval: busy ? 2_000 : 15_000,
  });

export const useProjects = (search: string, trashed: boolean) =>
  useInfiniteQuery({
    queryKey: [...projectsKey, { search, trashed }],
    queryFn: ({ pageParam, signal }) => {
      const terms = new URLSearchParams({ search, trashed: String(trashed), limit: "24" });
      if (pageParam) terms.set("cursor", pageParam);
      return get<ProjectPage>(api(`/projects?${terms.toString()}`), signal);
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  });

export const useTree = (project: string) =>
  useQuery({
    queryKey: treeKey(project),
    queryFn: ({ signal, client }) =>
      readNotOlder(
        () => get<Tree>(api(`/projects/${project}`), signal),
        () => client.getQueryData<Tree>(treeKey(project))?.version ?? 0,
      ),
  });

export const useComparison = (left: string, right: string) =>
  useQuery({
    queryKey: ["comparison", left, right],
    queryFn: ({ signal }) => get<Comparison>(api(`/nodes/${left}/compare/${right}`), signal),
    ...lasting,
  });

/** A lookup, read again every second until it ends, in case its event was missed. */
export const useLookup = (id: string | null) =>
  useQuery({
    queryKey: lookupKey(id ?? ""),
    queryFn: ({ signal }) => get<Lookup>(api(`/lookups/${id}`), signal),
    enabled: id !== null,
    refetchInterval: ({ state }) =>
      state.data && state.data.state !== "waiting" && state.data.state !== "running" ? false : 1_000,
  });
