// Light or dark: as the system has it, unless somebody chose. The choice is kept in localStorage: it is no secret.

import { useState } from "../vendor/htm-preact.js";

const NAME = "coterie.theme";
const CHOICES = ["system", "light", "dark"];

function kept() {
  try {
    const value = localStorage.getItem(NAME);
    return CHOICES.includes(value) ? value : "system";
  } catch {
    return "system";
  }
}

function show(choice) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

export const startTheme = () => show(kept());

/** @returns {[string, () => void]} the choice, and what moves on to the next one */
export function useTheme() {
  const [choice, setChoice] = useState(kept());
  const next = () => {
    const chosen = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    setChoice(chosen);
    show(chosen);
    try {
      localStorage.setItem(NAME, chosen);
    } catch {
      // Storage is switched off: the choice lives as long as the page.
    }
  };
  return [choice, next];
}
