/** Loading, failures and empty places: each says what to do. */
import { Button, Loader } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import type { ReactNode } from "react";
import classes from "./Notices.module.css";

export function Loading({ what }: { what: string }) {
  return (
    <div className={classes.centre} role="status">
      <Loader size="sm" type="dots" />
      <p className={classes.quiet}>{what} …</p>
    </div>
  );
}

/** A page that could not be shown. */
export function FailedPage(props: FailureProps) {
  return (
    <main className={classes.page}>
      <Failure {...props} Heading="h1" />
    </main>
  );
}

/** A place with nothing in it yet, or any more. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={classes.centre}>
      <h2 className={classes.title}>{title}</h2>
      <p className={classes.quiet}>{children}</p>
      {action}
    </div>
  );
}

interface FailureProps {
  error: Error;
  retry?: () => void;
  action?: ReactNode;
  Heading?: "h1" | "h2";
}

export function Failure({ error, retry, action, Heading = "h2" }: FailureProps) {
  return (
    <div className={classes.centre} role="alert">
      <Heading className={classes.title}>That did not work</Heading>
      <p className={classes.quiet}>{error.message}</p>
      <div className={classes.row}>
        {retry && <Button onClick={retry}>Try again</Button>}
        {action}
      </div>
    </div>
  );
}

export function tellError(error: Error): void {
  notifications.show({ title: "That did not work", message: error.message, color: "red", autoClose: 8000 });
}

export function tell(message: string): void {
  notifications.show({ message });
}
