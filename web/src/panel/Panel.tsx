/** All about the selected picture. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { IconStar, IconStarFilled, IconX } from "@tabler/icons-react";
import type { NodeActions } from "../canvas/actions";
import { useDesign } from "../canvas/design";
import { Renamable } from "../theme/Renamable";
import { askedOf, when } from "../tree/words";
import { Attempts } from "./Attempts";
import { FilmStrip } from "./FilmStrip";
import { LargePicture } from "./LargePicture";
import classes from "./Panel.module.css";
import { PanelActions } from "./PanelActions";
import { Request } from "./Request";

export function Panel({ actions, onClose }: { actions: NodeActions; onClose: () => void }) {
  const { selected } = useDesign();
  const star = selected.starred ? "Take the star away (S)" : "Star (S)";
  const { warnings, error } = selected;
  return (
    <div className={classes.panel}>
      <div className={classes.head}>
        <div className={classes.name}>
          <Renamable
            key={selected.id}
            label="Name of the picture"
            value={selected.label}
            placeholder="Name this picture"
            onValue={(label) => actions.rename(selected, label)}
          />
        </div>
        <Tooltip label={star}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={star}
            aria-pressed={selected.starred}
            onClick={() => actions.star(selected)}
          >
            {selected.starred ? (
              <IconStarFilled size={18} className={classes.starred} />
            ) : (
              <IconStar size={18} />
            )}
          </ActionIcon>
        </Tooltip>
        <ActionIcon variant="subtle" color="gray" aria-label="Close the details" onClick={onClose}>
          <IconX size={18} />
        </ActionIcon>
      </div>
      <LargePicture key={`picture-${selected.id}`} />
      <FilmStrip />
      <PanelActions actions={actions} />
      {error && (
        <p className={classes.error} role="alert">
          {error}
        </p>
      )}
      {warnings.map((warning) => (
        <p key={warning} className={classes.warning}>
          {warning}
        </p>
      ))}
      <section className={classes.section} aria-label="What was asked">
        <p className={selected.request ? `words ${classes.asked}` : classes.asked}>{askedOf(selected)}</p>
        <p className={classes.quiet}>
          {selected.width && selected.height ? `${selected.width} × ${selected.height} pixels, ` : ""}
          {when(selected.finished_at ?? selected.created_at)}
          {selected.attempts > 1 ? `, on try ${selected.attempts}` : ""}
        </p>
        <Request />
      </section>
      <Attempts />
    </div>
  );
}
