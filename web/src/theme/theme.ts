/** Mantine's theme, and its variables as a sheet that the server's Content-Security-Policy lets through. */
import {
  Button,
  convertCssVariables,
  createTheme,
  defaultCssVariablesResolver,
  defaultVariantColorsResolver,
  DEFAULT_THEME,
  Drawer,
  mergeMantineTheme,
  Modal,
  Notification,
  Tooltip,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";

const viridian: MantineColorsTuple = [
  "#e8f5f0",
  "#cfe8df",
  "#a3d5c5",
  "#7fcfb7",
  "#5fc8ab",
  "#2f9d82",
  "#15806a",
  "#0b6b57",
  "#095a49",
  "#06463a",
];

const dark: MantineColorsTuple = [
  "#f1f1ef",
  "#d6d7da",
  "#b9bbc1",
  "#9da0a8",
  "#52565d",
  "#34373c",
  "#232528",
  "#1b1c1f",
  "#141517",
  "#101113",
];

/** Filled in the accent or in red: colours with enough contrast in light and dark alike. */
const variantColorResolver: VariantColorsResolver = (input) => {
  const resolved = defaultVariantColorsResolver(input);
  if (input.variant === "light" && !input.color)
    return {
      ...resolved,
      background: "var(--accent-soft)",
      hover: "var(--accent-soft)",
      color: "var(--ink)",
    };
  if (input.variant !== "filled") return resolved;
  const red = input.color === "red";
  if (!red && input.color && input.color !== input.theme.primaryColor) return resolved;
  const background = red ? "#b3261e" : "var(--accent)";
  const hover = `color-mix(in srgb, ${background} 88%, var(--ink))`;
  return { ...resolved, background, hover, color: red ? "#ffffff" : "var(--accent-ink)" };
};

export const theme = createTheme({
  variantColorResolver,
  primaryColor: "viridian",
  primaryShade: { light: 7, dark: 4 },
  colors: { viridian, dark },
  fontFamily: '"Instrument Sans Variable", system-ui, sans-serif',
  headings: { fontFamily: '"Instrument Sans Variable", system-ui, sans-serif', fontWeight: "600" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Locking the scroll would write a style element, which the policy forbids; the page itself does not scroll behind.
    Modal: Modal.extend({
      defaultProps: {
        lockScroll: false,
        centered: true,
        closeButtonProps: { "aria-label": "Close" },
        overlayProps: { backgroundOpacity: 0.4 },
        // A dialog's head is not the page's banner.
        attributes: { header: { role: "group" } },
      },
    }),
    Drawer: Drawer.extend({ defaultProps: { lockScroll: false, overlayProps: { backgroundOpacity: 0.4 } } }),
    Notification: Notification.extend({
      defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } },
      styles: { description: { color: "var(--ink-2)" } },
    }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 400, withArrow: false, offset: 6, fz: 12 } }),
    Button: Button.extend({ defaultProps: { fw: 550 } }),
  },
});

const ours = {
  "--mantine-color-body": "var(--raised)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--ink-2)",
  "--mantine-color-placeholder": "var(--ink-3)",
  "--mantine-color-default-border": "var(--line)",
  "--mantine-color-error": "var(--danger)",
};

const resolver: CSSVariablesResolver = (merged) => {
  const base = defaultCssVariablesResolver(merged);
  return {
    variables: base.variables,
    light: { ...base.light, ...ours, "--mantine-color-scheme": "light" },
    dark: { ...base.dark, ...ours, "--mantine-color-scheme": "dark" },
  };
};

/** Give the document Mantine's variables through a constructed sheet instead of a style element. */
export function adoptTheme(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(convertCssVariables(resolver(mergeMantineTheme(DEFAULT_THEME, theme))));
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}
