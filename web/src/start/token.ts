/** The one-time token of the address that the server prints. */

/** The token in a query or hash such as "?token=abc", or null. */
export function tokenIn(search: string, hash: string): string | null {
  const fromHash = hash.includes("token=") ? hash.replace(/^#\/?\??/, "") : "";
  return new URLSearchParams(search).get("token") ?? new URLSearchParams(fromHash).get("token");
}

/** Take the token out of the address, so that it is neither kept in the history nor shared. */
export function takeToken(): string | null {
  const token = tokenIn(window.location.search, window.location.hash);
  if (token !== null) {
    const hash = window.location.hash.includes("token=") ? "" : window.location.hash;
    window.history.replaceState(null, "", window.location.pathname + hash);
  }
  return token;
}
