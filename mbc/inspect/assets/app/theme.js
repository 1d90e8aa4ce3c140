// Light and dark: as the system has it, until the button says otherwise.
import { byId } from "./dom.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "◐ System", light: "☀ Light", dark: "☾ Dark" };

export function makeTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  let chosen = read();
  const show = () => {
    const isDark = chosen === "dark" || (chosen === "system" && dark.matches);
    document.documentElement.classList.toggle("dark", isDark);
    button.textContent = WORDS[chosen];
    button.setAttribute("aria-label", `Colours: ${chosen}`);
    dispatchEvent(new Event("themechange"));
  };
  button.addEventListener("click", () => { chosen = NEXT[chosen]; keep(chosen); show(); });
  dark.addEventListener("change", show);
  addEventListener("beforeprint", () => { document.documentElement.classList.remove("dark"); dispatchEvent(new Event("themechange")); });
  addEventListener("afterprint", show);
  show();
}

// Browsers may keep nothing for files.
function read() {
  try { return WORDS[localStorage.getItem("mbc-theme")] ? localStorage.getItem("mbc-theme") : "system"; } catch { return "system"; }
}

function keep(chosen) {
  try { localStorage.setItem("mbc-theme", chosen); } catch { /* it lasts as long as the page */ }
}
