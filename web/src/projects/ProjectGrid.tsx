/** Designs as cards: open, rename, copy, take out, throw away, bring back. */
import { ActionIcon, Button, Menu, Modal, TextInput } from "@mantine/core";
import {
  IconCopy,
  IconDots,
  IconDownload,
  IconPencil,
  IconRestore,
  IconTrash,
  IconTrashX,
} from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { exportOf, pictureOf } from "../api/addresses";
import { useDuplicate, useRename, useRestoreProject, useTrash } from "../api/changes";
import type { Project } from "../api/types";
import { formatRoute } from "../routes";
import { tell, tellError } from "../theme/Notices";
import { when } from "../tree/words";
import classes from "./ProjectGrid.module.css";

function facts(project: Project): string {
  const parts = [project.nodes === 1 ? "1 picture" : `${project.nodes.toLocaleString("en")} pictures`];
  if (project.starred > 0) parts.push(`${project.starred} starred`);
  parts.push(when(project.trashed_at ?? project.updated_at));
  return parts.join(" · ");
}

function RenameDialog({ project, onClose }: { project: Project; onClose: () => void }) {
  const rename = useRename();
  const [title, setTitle] = useState(project.title);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rename.mutate({ project: project.id, title: title.trim() }, { onSuccess: onClose, onError: tellError });
  };
  return (
    <Modal opened onClose={onClose} title="Rename the design">
      <form onSubmit={submit} className={classes.dialog}>
        <TextInput
          label="Title"
          data-autofocus
          maxLength={200}
          value={title}
          onChange={(event) => setTitle(event.currentTarget.value)}
        />
        <Button type="submit" disabled={!title.trim()} loading={rename.isPending}>
          Rename
        </Button>
      </form>
    </Modal>
  );
}

function DeleteDialog({ project, onClose }: { project: Project; onClose: () => void }) {
  const trash = useTrash();
  const remove = () =>
    trash.mutate({ project: project.id, forGood: true }, { onSuccess: onClose, onError: tellError });
  return (
    <Modal opened onClose={onClose} title="Delete for good?">
      <div className={classes.dialog}>
        <p>
          “{project.title}” and its {project.nodes} pictures will be gone. This is the one thing that can not
          be taken back.
        </p>
        <div className={classes.buttons}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button color="red" loading={trash.isPending} onClick={remove}>
            Delete for good
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function CardMenu({ project }: { project: Project }) {
  const duplicate = useDuplicate();
  const trash = useTrash();
  const restore = useRestoreProject();
  const [dialog, setDialog] = useState<"rename" | "delete" | null>(null);
  const close = () => setDialog(null);
  const throwAway = () =>
    trash.mutate(
      { project: project.id, forGood: false },
      {
        onSuccess: () => tell(`“${project.title}” lies in the trash; it can be restored from there.`),
        onError: tellError,
      },
    );
  return (
    <>
      <Menu position="bottom-end" width={190}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`More for ${project.title}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        {project.trashed_at ? (
          <Menu.Dropdown>
            <Menu.Item
              leftSection={<IconRestore size={16} />}
              onClick={() => restore.mutate(project.id, { onError: tellError })}
            >
              Restore
            </Menu.Item>
            <Menu.Item color="red" leftSection={<IconTrashX size={16} />} onClick={() => setDialog("delete")}>
              Delete for good …
            </Menu.Item>
          </Menu.Dropdown>
        ) : (
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setDialog("rename")}>
              Rename …
            </Menu.Item>
            <Menu.Item
              leftSection={<IconCopy size={16} />}
              onClick={() => duplicate.mutate(project.id, { onError: tellError })}
            >
              Duplicate
            </Menu.Item>
            <Menu.Item
              leftSection={<IconDownload size={16} />}
              component="a"
              href={exportOf(project.id)}
              download
            >
              Export (.zip)
            </Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<IconTrash size={16} />} onClick={throwAway}>
              Move to the trash
            </Menu.Item>
          </Menu.Dropdown>
        )}
      </Menu>
      {dialog === "rename" && <RenameDialog project={project} onClose={close} />}
      {dialog === "delete" && <DeleteDialog project={project} onClose={close} />}
    </>
  );
}

function Card({ project }: { project: Project }) {
  const address = formatRoute({ kind: "project", project: project.id, node: null, compare: null });
  return (
    <li className={classes.card} data-trashed={project.trashed_at !== null}>
      <a href={address} className={classes.cover}>
        <img src={pictureOf(project.cover_id, "thumbnail")} alt="" loading="lazy" />
        <span className={classes.title}>{project.title}</span>
      </a>
      <div className={classes.foot}>
        <span>{facts(project)}</span>
        <CardMenu project={project} />
      </div>
    </li>
  );
}

export function ProjectGrid({ projects, trashed }: { projects: readonly Project[]; trashed: boolean }) {
  return (
    <ul className={classes.grid} aria-label={trashed ? "Designs in the trash" : "Designs"}>
      {projects.map((project) => (
        <Card key={project.id} project={project} />
      ))}
    </ul>
  );
}
