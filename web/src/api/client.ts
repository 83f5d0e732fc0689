/** Speak HTTP with the server: JSON and forms in, JSON or a Problem out. */

/** An error as the server tells it; `message` is the sentence to show. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

const unreachable = "The server cannot be reached. See that it still runs; the page tries again by itself.";

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const body = (await answer.json()) as { detail?: unknown; code?: unknown };
    const detail = typeof body.detail === "string" ? body.detail : `The server answered ${answer.status}.`;
    return new Problem(answer.status, typeof body.code === "string" ? body.code : "unknown", detail);
  } catch {
    return new Problem(
      answer.status,
      "unknown",
      `The server answered ${answer.status}; try again in a moment.`,
    );
  }
}

/** Called with every 401, so that the page can ask for a login. */
let whenLocked: () => void = () => undefined;
export function onLocked(listener: () => void): void {
  whenLocked = listener;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(path, { credentials: "same-origin", ...init }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", unreachable);
  });
  if (answer.ok) return answer;
  if (answer.status === 401 && !path.endsWith("/login")) whenLocked();
  throw await problemOf(answer);
}

/** A key under which the server answers a repeated request with its first answer. */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return (await (await send(path, { signal })).json()) as Answer;
}

/** Whether there is something at a path; where that cannot be said, it counts as there. */
export async function isThere(path: string, signal: AbortSignal): Promise<boolean> {
  return send(path, { signal }).then(
    () => true,
    (error: unknown) => !(error instanceof Problem && error.status === 404),
  );
}

/** Send a change; a `body` that is a form goes as multipart, anything else as JSON. */
export async function change<Answer>(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body?: object,
  key?: string,
): Promise<Answer> {
  const headers: Record<string, string> = key ? { "Idempotency-Key": key } : {};
  const form = body instanceof FormData;
  if (body && !form) headers["Content-Type"] = "application/json";
  const answer = await send(path, { method, headers, body: form ? body : body && JSON.stringify(body) });
  return (answer.status === 204 ? undefined : await answer.json()) as Answer;
}
