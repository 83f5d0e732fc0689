/** Addresses of the server's pictures and files. */

export type PictureSize = "full" | "thumbnail" | "screen";

const base = "api/v1";
export const api = (path: string): string => `${base}${path}`;
export const pictureOf = (node: string, size: PictureSize): string =>
  api(`/nodes/${node}/image?size=${size}`);
export const maskOf = (node: string): string => api(`/nodes/${node}/mask`);
export const downloadOf = (node: string, settings: boolean): string =>
  api(`/nodes/${node}/download?settings=${settings}`);
export const lookupMaskOf = (lookup: string): string => api(`/lookups/${lookup}/mask`);
export const uploadOf = (upload: string): string => api(`/uploads/${upload}/image`);
export const galleryOf = (name: string): string => api(`/gallery/${encodeURIComponent(name)}`);
export const exportOf = (project: string): string => api(`/projects/${project}/export`);
