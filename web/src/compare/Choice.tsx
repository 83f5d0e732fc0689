/** Which picture stands on a side, and others to put there. */
import { Menu } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { pictureOf } from "../api/addresses";
import type { Node } from "../api/types";
import { type Family, path, siblings } from "../tree/family";
import { nameOf } from "../tree/words";
import classes from "./CompareView.module.css";

/** Pictures that are likely wanted beside another: its path, its siblings, its children, then the starred. */
export function candidates(family: Family, node: string): Node[] {
  const near = [
    ...path(family, node).map(({ id }) => id),
    ...siblings(family, node),
    ...(family.children.get(node) ?? []),
    ...[...family.nodes.values()].filter(({ starred }) => starred).map(({ id }) => id),
  ];
  return [...new Set(near)]
    .flatMap((id) => family.nodes.get(id) ?? [])
    .filter(({ state }) => state === "done");
}

interface Props {
  label: string;
  node: Node;
  family: Family;
  onNode: (id: string) => void;
}

export function Choice({ label, node, family, onNode }: Props) {
  return (
    <Menu position="bottom-start" width={280}>
      <Menu.Target>
        <button
          type="button"
          className={classes.choice}
          aria-label={`${label}: ${nameOf(node)}. Choose another`}
        >
          <img src={pictureOf(node.id, "thumbnail")} alt="" />
          <span className={node.label ? undefined : "words"}>{nameOf(node)}</span>
          <IconChevronDown size={15} />
        </button>
      </Menu.Target>
      <Menu.Dropdown className={classes.menu}>
        {candidates(family, node.id).map((one) => (
          <Menu.Item
            key={one.id}
            aria-current={one.id === node.id}
            leftSection={
              <img className={classes.mini} src={pictureOf(one.id, "thumbnail")} alt="" loading="lazy" />
            }
            onClick={() => onNode(one.id)}
          >
            {nameOf(one)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
