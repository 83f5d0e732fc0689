/** The way from the first picture to the selected one. */
import { useEffect, useRef } from "react";
import { useDesign } from "../canvas/design";
import { path } from "../tree/family";
import { nameOf } from "../tree/words";
import { Thumbnail } from "../tree/Thumbnail";
import classes from "./Panel.module.css";

export function FilmStrip() {
  const { all, selected, select } = useDesign();
  const strip = useRef<HTMLOListElement>(null);
  const steps = path(all, selected.id);
  useEffect(() => {
    strip.current?.scrollTo({ left: strip.current.scrollWidth });
  }, [selected.id]);
  if (steps.length < 2) return null;
  return (
    <nav aria-label="The way here">
      <ol className={classes.strip} ref={strip}>
        {steps.map((node, index) => (
          <li key={node.id}>
            <button
              type="button"
              className={classes.frame}
              aria-current={node.id === selected.id ? "step" : undefined}
              aria-label={`${index + 1}: ${nameOf(node)}`}
              title={nameOf(node)}
              onClick={() => select(node.id)}
            >
              <Thumbnail node={node} />
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}
