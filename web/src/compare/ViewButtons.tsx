/** Fit, real size, closer and farther, and what a view adds. */
import { ActionIcon, Button } from "@mantine/core";
import { IconMinus, IconPlus } from "@tabler/icons-react";
import type { ReactNode } from "react";
import classes from "./CompareView.module.css";
import type { Controls } from "./useView";

export function ViewButtons({ controls, children }: { controls: Controls; children?: ReactNode }) {
  const scale = controls.view ? Math.round(controls.view.scale * window.devicePixelRatio * 100) : 100;
  return (
    <div className={classes.foot}>
      <div className={classes.extra}>{children}</div>
      <ActionIcon variant="default" aria-label="Farther" onClick={() => controls.zoom(1 / 1.5)}>
        <IconMinus size={16} />
      </ActionIcon>
      <output className={classes.scale}>{scale}%</output>
      <ActionIcon variant="default" aria-label="Closer" onClick={() => controls.zoom(1.5)}>
        <IconPlus size={16} />
      </ActionIcon>
      <Button size="compact-sm" variant="default" onClick={controls.fit}>
        Fit
      </Button>
      <Button size="compact-sm" variant="default" onClick={controls.actual}>
        100%
      </Button>
    </div>
  );
}
