/** The bar at the top of every page: the mark, what the page puts in, light or dark, keys, leaving. */
import { ActionIcon, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconKeyboard, IconLogout, IconMoon, IconSun, IconUser } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useLogout } from "../api/changes";
import { useMe } from "../api/queries";
import classes from "./Bar.module.css";

export function Mark() {
  return (
    <svg className={classes.mark} viewBox="0 0 20 20" aria-hidden="true">
      <path d="M1 1h18v18H1z" className={classes.sheet} />
      <path d="M10 1h9v9c-5 0-9-4-9-9z" className={classes.patch} />
    </svg>
  );
}

function SchemeSwitch() {
  const scheme = useComputedColorScheme("light");
  const { setColorScheme } = useMantineColorScheme();
  const other = scheme === "dark" ? "light" : "dark";
  const label = `Show in ${other}`;
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={() => setColorScheme(other)}>
        {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

function Account() {
  const me = useMe();
  const logout = useLogout();
  if (!me.data?.users) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`Account of ${me.data.name}`}>
          <IconUser size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.data.name}</Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => logout.mutate()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function Bar({ children, onKeys }: { children?: ReactNode; onKeys?: () => void }) {
  return (
    <header className={classes.bar}>
      <a href="#/" className={classes.home} aria-label="Retouch, all designs">
        <Mark />
        <span className={classes.word} data-fold={onKeys !== undefined}>
          Retouch
        </span>
      </a>
      <div className={classes.middle}>{children}</div>
      <div className={classes.end}>
        {onKeys && (
          <Tooltip label="Keys (?)">
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Show the keys"
              onClick={onKeys}
              className={classes.keys}
            >
              <IconKeyboard size={18} />
            </ActionIcon>
          </Tooltip>
        )}
        <SchemeSwitch />
        <Account />
      </div>
    </header>
  );
}
