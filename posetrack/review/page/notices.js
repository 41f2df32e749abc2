// What the page says for a while, and when the program is gone.

import { Lost, Refused, isThere } from "./api.js";
import { $ } from "./shared.js";
import { sentence } from "./words.js";

const TOAST_MS = 5000;

let toastTimer = null;
let reconnecting = null;

export function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), TOAST_MS);
}

export function showError(error) {
  if (error instanceof Lost) showLost();
  else if (error instanceof Refused) toast(sentence(error.message));
  else throw error;
}

// The program has ended, or the network is gone: try until it is back.
export function showLost() {
  $("saved").textContent = "Not connected";
  document.body.dataset.lost = "true";
  toast("No connection to posetrack review. All edits so far are saved; start it again to go on.");
  reconnecting ??= setInterval(async () => {
    if (!(await isThere())) return;
    clearInterval(reconnecting);
    location.reload();
  }, 2000);
}
