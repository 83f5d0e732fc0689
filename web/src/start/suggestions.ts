/** Instructions that suit a picture of the gallery, remembered for the design that began with it. */
const prefix = "retouch-suggestions-";

export function rememberSuggestions(project: string, suggestions: readonly string[]): void {
  try {
    sessionStorage.setItem(prefix + project, JSON.stringify(suggestions));
  } catch {
    // Without storage there are no suggestions, and nothing else is missing.
  }
}

export function suggestionsFor(project: string): string[] {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(prefix + project) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}
