// The page: shows the server's state and sends commands. All state is kept on the server.

import { Chart } from "./chart.js";
import { Link } from "./link.js";
import { PeopleList, setText } from "./people.js";

const KEYS = {
  s: "skeletons", m: "masks", b: "boxes", i: "ids", t: "trails", u: "iuv", p: "pause", " ": "pause", r: "record",
};
const WORDS = { live: "Live", connecting: "Connecting", lost: "Lost", ended: "Ended" };
const TOAST_MS = 6000;

const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("button[data-toggle]")];
const charts = { fps: new Chart($("fps-chart")), latency: new Chart($("latency-chart")) };
const people = new PeopleList($("people"), $("nobody"), $("num-people"));
let state = null;
let toastTimer = null;
let countdown = null;

const link = new Link({ open: showOpen, closed: showClosed, state: showState, image: drawImage, error: showToast });
link.connect();

function showOpen() {
  clearInterval(countdown);
  people.clear();
}

function showClosed(reason, retry_ms) {
  clearInterval(countdown);
  if (state?.is_over) {
    showStatus("ended", "Ended", "The session has ended.", true);
    return;
  }
  const end = performance.now() + retry_ms;
  const say = () => {
    const left_s = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    const why = reason ? sentence(reason) : "No connection to posetrack.";
    const next = left_s > 0 && retry_ms > 1000 ? `Trying again in ${left_s} s.` : "Trying again.";
    showStatus("off", "Not connected", `${why} ${next}`, true);
  };
  say();
  countdown = setInterval(say, 1000);
  addSamples(null);
  link.retryLater();
}

function showState(news) {
  state = news;
  setText($("source"), state.source);
  if (state.is_over) showStatus("ended", "Ended", "The session has ended.");
  else if (state.status === "lost") showStatus("lost", "Lost", `${sentence(state.message)} Connecting again.`);
  else if (state.toggles.pause) showStatus("paused", "Paused", "");
  else if (state.index === null) showStatus("connecting", "Connecting", "Waiting for the first image.");
  else showStatus(state.status, WORDS[state.status] ?? state.status, "");

  setText($("fps"), state.fps === null ? "–" : state.fps.toFixed(1));
  setText($("p50"), formatCount(state.latency_p50_ms));
  setText($("p95"), formatCount(state.latency_p95_ms));
  setText($("captured"), formatCount(state.num_captured));
  setText($("dropped"), formatCount(state.num_dropped));
  setText($("reconnects"), formatCount(state.num_reconnects));
  addSamples(state);
  people.show(state.people, state.time_s ?? 0);
  showControls();
}

function addSamples(news) {
  charts.fps.add([news?.fps ?? null]);
  charts.latency.add([news?.latency_p50_ms ?? null, news?.latency_p95_ms ?? null]);
}

function showControls() {
  for (const button of buttons) {
    button.hidden = Boolean(whyMissing(button.dataset.toggle));
    button.setAttribute("aria-pressed", String(Boolean(state.toggles[button.dataset.toggle])));
  }
  setText($("advice"), state.advice ? sentence(state.advice) : "");
  $("advice").hidden = !state.advice;
  setText($("recording"), state.recording ? `Recording ${state.recording}` : "");
  const select = $("recipe");
  if (select.dataset.names !== state.recipes.join("\n")) {
    select.dataset.names = state.recipes.join("\n");
    select.replaceChildren(...state.recipes.map((name) => new Option(shorten(name), name)));
  }
  if (document.activeElement !== select || select.value === "") select.value = state.recipe;
  select.disabled = state.recipes.length < 2;
}

// Why a switch would change nothing, which has no button then; its key says so.
function whyMissing(name) {
  if (name === "iuv" && !state?.has_dense) return "This recipe gives no dense poses";
  if (name === "masks" && !state?.has_masks) return "This recipe has given no masks so far";
  return "";
}

function showStatus(status, word, notice, mayRetry = false) {
  document.body.dataset.status = status;
  setText($("status"), word);
  setText($("notice-text"), notice);
  $("notice").hidden = !notice;
  $("retry").hidden = !mayRetry;
  const title = [word, state?.source, "PoseTrack"].filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
}

async function drawImage(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = $("image");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  canvas.dataset.images = String(Number(canvas.dataset.images ?? 0) + 1);
  bitmap.close();
}

function showToast(text) {
  const toast = $("toast");
  clearTimeout(toastTimer);
  toast.textContent = text;
  toast.hidden = false;
  toastTimer = setTimeout(() => { toast.hidden = true; }, TOAST_MS);
}

function send(command) {
  if (!link.send(command)) showToast("Not connected: the command was not sent.");
}

function toggle(name) {
  const why = whyMissing(name);
  if (why) showToast(`${why}.`);
  else send({ toggle: name });
}

function chooseNextRecipe() {
  const names = state?.recipes ?? [];
  if (names.length > 1) send({ recipe: names[(names.indexOf(state.recipe) + 1) % names.length] });
}

for (const button of buttons) button.addEventListener("click", () => toggle(button.dataset.toggle));
$("recipe").addEventListener("change", (event) => {
  send({ recipe: event.target.value });
  event.target.blur();
});
$("retry").addEventListener("click", () => {
  clearInterval(countdown);
  showStatus("off", "Connecting", "Connecting.");
  link.connect();
});
$("show-keys").addEventListener("click", () => $("keys").showModal());
window.addEventListener("resize", () => Object.values(charts).forEach((chart) => chart.draw()));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("keys").open) return;
  if (event.target.closest("select, input")) return;
  if (event.key === " " && event.target.closest("button")) return;
  const key = event.key.toLowerCase();
  if (key === "?") $("keys").showModal();
  else if (key === "n") chooseNextRecipe();
  else if (Object.hasOwn(KEYS, key)) toggle(KEYS[key]);
  else return;
  event.preventDefault();
});

function formatCount(value) {
  return value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 0 });
}

// "the camera is gone" -> "The camera is gone."
function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}` : "";
}

// recipes/mine.toml -> mine
function shorten(name) {
  return name.split(/[/\\]/).at(-1).replace(/\.toml$/, "");
}
