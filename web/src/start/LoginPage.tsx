/** Ask for a name and a password where the server has users. */
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useLogin } from "../api/changes";
import { Mark } from "../theme/Bar";
import classes from "./Home.module.css";

export function LoginPage() {
  const login = useLogin();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    document.title = "Log in · Retouch";
  }, []);
  const secret = useRef<HTMLInputElement>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate({ name, password, token: "" }, { onError: () => secret.current?.select() });
  };
  return (
    <main className={classes.login}>
      <form onSubmit={submit} className={classes.loginForm}>
        <span className={classes.loginMark}>
          <Mark />
        </span>
        <h1 className={classes.loginTitle}>Log in to Retouch</h1>
        <p className={classes.quiet}>
          With the name and password that you were given. If you run this server yourself and gave it no
          users, open the address that it printed when it started.
        </p>
        <TextInput
          label="Name"
          autoComplete="username"
          autoCapitalize="none"
          // The page holds nothing else, and whoever comes here comes to log in.
          autoFocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          ref={secret}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={login.error?.message}
        />
        <Button type="submit" loading={login.isPending} disabled={!name || !password}>
          Log in
        </Button>
      </form>
    </main>
  );
}
