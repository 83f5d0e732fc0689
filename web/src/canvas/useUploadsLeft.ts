/** Look whether what a kept draft names is still on the server, which keeps an upload that no edit names for a day. */
import { useEffect } from "react";
import { uploadOf } from "../api/addresses";
import { isThere } from "../api/client";
import { tell } from "../theme/Notices";
import { type Draft, setDraft, uploadsOf, withoutUploads } from "../tree/draft";

const seen = new Set<string>();

export function useUploadsLeft(node: string, draft: Draft): void {
  useEffect(() => {
    const named = uploadsOf(draft).filter((upload) => !seen.has(upload));
    if (named.length === 0) return;
    const stop = new AbortController();
    const look = async () => {
      const gone = new Set<string>();
      for (const upload of named) {
        if (await isThere(uploadOf(upload), stop.signal)) seen.add(upload);
        else gone.add(upload);
      }
      if (gone.size === 0 || stop.signal.aborted) return;
      setDraft(node, withoutUploads(draft, gone));
      tell("A reference or a painted region of this draft is no longer on the server; add it again.");
    };
    void look();
    return () => stop.abort();
  }, [node, draft]);
}
