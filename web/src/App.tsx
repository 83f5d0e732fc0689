/** Which of the pages is shown: the login, the designs, or one design. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { onLocked, Problem } from "./api/client";
import { useLogin } from "./api/changes";
import { meKey, useMe } from "./api/queries";
import { parseRoute, useHash } from "./routes";
import { Home } from "./start/Home";
import { LoginPage } from "./start/LoginPage";
import { takeToken } from "./start/token";
import { FailedPage, Loading } from "./theme/Notices";

const openProject = () => import("./canvas/ProjectPage");
const ProjectPage = lazy(openProject);

/** Exchange the one-time token of the printed address for a cookie; true once there is none (any more). */
function useTokenExchanged(): boolean {
  const [token] = useState(takeToken);
  const [exchanged, setExchanged] = useState(token === null);
  const { mutateAsync } = useLogin();
  useEffect(() => {
    if (token === null) return;
    mutateAsync({ token, name: "", password: "" }).then(
      () => setExchanged(true),
      () => setExchanged(true),
    );
  }, [token, mutateAsync]);
  return exchanged;
}

function Pages() {
  const client = useQueryClient();
  const me = useMe();
  const route = parseRoute(useHash());
  useEffect(() => onLocked(() => void client.invalidateQueries({ queryKey: meKey })), [client]);
  useEffect(() => {
    const idle = window.setTimeout(() => void openProject(), 1_500);
    return () => window.clearTimeout(idle);
  }, []);
  if (me.isPending) return <Loading what="Opening Retouch" />;
  if (me.error instanceof Problem && me.error.status === 401) return <LoginPage />;
  if (me.error && !me.data) return <FailedPage error={me.error} retry={() => void me.refetch()} />;
  if (route.kind === "home") return <Home trashed={route.trashed} key={String(route.trashed)} />;
  return (
    <Suspense fallback={<Loading what="Opening the design" />}>
      <ProjectPage key={route.project} route={route} />
    </Suspense>
  );
}

export function App() {
  return useTokenExchanged() ? <Pages /> : <Loading what="Opening Retouch" />;
}
