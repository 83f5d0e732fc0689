/** The system's Chromium, for what is measured here; CHROMIUM names another. */
import { chromium } from "playwright-core";

export const start = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
