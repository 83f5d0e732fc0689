/** The other tries of the same words on the same picture. */
import type { Node } from "../api/types";
import { useDesign } from "../canvas/design";
import { attemptsOf } from "../tree/draft";
import { siblings } from "../tree/family";
import { Thumbnail } from "../tree/Thumbnail";
import classes from "./Panel.module.css";

function stateOf(node: Node): string {
  if (node.state === "done")
    return node.pruned ? "pruned" : `seed ${node.request?.settings?.seed ?? "unknown"}`;
  if (node.state === "failed") return "failed";
  if (node.state === "cancelled") return "stopped";
  return node.state === "running" ? "in work" : "waiting";
}

export function Attempts() {
  const { all, selected, select } = useDesign();
  const others = siblings(all, selected.id).flatMap((id) => all.nodes.get(id) ?? []);
  const attempts = selected.request ? attemptsOf(selected, others) : [];
  if (attempts.length < 2) return null;
  return (
    <section className={classes.section} aria-label="Attempts">
      <h2 className={classes.title}>{attempts.length} attempts with these words</h2>
      <ul className={classes.attempts}>
        {attempts.map((node, index) => (
          <li key={node.id}>
            <button
              type="button"
              className={classes.frame}
              aria-current={node.id === selected.id}
              aria-label={`Attempt ${index + 1}, ${stateOf(node)}`}
              onClick={() => select(node.id)}
            >
              <Thumbnail node={node} />
            </button>
            <span className={classes.quiet}>{stateOf(node)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
