/** A small picture of a node, or what is there of it. */
import { pictureOf } from "../api/addresses";
import { usePreview } from "../api/previews";
import type { Node } from "../api/types";

export function Thumbnail({ node }: { node: Node }) {
  const preview = usePreview(node.id);
  if (node.state === "done") return <img src={pictureOf(node.id, "thumbnail")} alt="" loading="lazy" />;
  return preview ? <img src={preview} alt="" /> : <span />;
}
