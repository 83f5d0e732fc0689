/** Pictures and archives that are dropped, pasted or chosen. */
import { useEffect, useRef, useState } from "react";

export const pictureTypes = ["image/png", "image/jpeg", "image/webp"];

export const isPicture = (file: File): boolean => pictureTypes.includes(file.type);
export const isArchive = (file: File): boolean =>
  file.type.includes("zip") || file.name.toLowerCase().endsWith(".zip");

/** Why a file can not be taken, as a sentence; null where it can. */
export function refusal(file: File): string | null {
  if (isPicture(file)) return null;
  return `“${file.name}” is not a PNG, JPEG or WebP picture; save it as one of these and try again.`;
}

/** Take files that are dropped anywhere on the page or pasted; says whether some hover over it. */
export function useFiles(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  useEffect(() => {
    latest.current = take;
  });
  useEffect(() => {
    let depth = 0;
    const carries = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (carries(event)) setOver((depth += 1) > 0);
    };
    const leave = (event: DragEvent) => {
      if (carries(event)) setOver((depth = Math.max(0, depth - 1)) > 0);
    };
    const hover = (event: DragEvent) => {
      if (carries(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      latest.current([...(event.dataTransfer?.files ?? [])]);
    };
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length > 0) latest.current(files);
    };
    const stop = new AbortController();
    const options = { signal: stop.signal };
    window.addEventListener("dragenter", enter, options);
    window.addEventListener("dragleave", leave, options);
    window.addEventListener("dragover", hover, options);
    window.addEventListener("drop", drop, options);
    window.addEventListener("paste", paste, options);
    return () => stop.abort();
  }, []);
  return over;
}
