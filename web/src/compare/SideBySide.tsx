/** Both pictures beside each other, moved and scaled as one. */
import classes from "./CompareView.module.css";
import type { Pair } from "./CompareView";
import { Sheet } from "./Sheet";
import { useView } from "./useView";
import { ViewButtons } from "./ViewButtons";

export function SideBySide({ pair }: { pair: Pair }) {
  const [controls, frame] = useView(pair.size);
  return (
    <>
      <div className={classes.windows}>
        {[pair.left, pair.right].map((side, index) => (
          <div
            key={index}
            className={classes.window}
            ref={index === 0 ? frame : undefined}
            {...controls.handlers}
          >
            {controls.view && <Sheet {...side} view={controls.view} size={pair.size} />}
            <span className={classes.tag} data-side="left">
              {side.name}
            </span>
          </div>
        ))}
      </div>
      <ViewButtons controls={controls} />
    </>
  );
}
