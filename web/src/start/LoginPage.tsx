/** Ask for a name and a password where the server has users. */
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useLogin } from "../api/changes";
import { Mark } from "../theme/Bar";
import classes from "./Home.module.css";

export function LoginPage({ sentence }: { sentence: string }) {
  const login = useLogin();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate({ name, password, token: "" });
  };
  return (
    <main className={classes.login}>
      <form onSubmit={submit} className={classes.loginForm}>
        <span className={classes.loginMark}>
          <Mark />
        </span>
        <h1 className={classes.loginTitle}>Log in to Retouch</h1>
        <p className={classes.quiet}>{sentence}</p>
        <TextInput
          label="Name"
          autoComplete="username"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
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
