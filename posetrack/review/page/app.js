// The page: what is looked at is kept here, what is edited on the server, on whose disk it is at once.

import { ACTIONS, findAction } from "./actions.js";
import { getBytes, getJson, post } from "./api.js";
import { Ask } from "./ask.js";
import { fillActions, fillKeys, makeButton } from "./buttons.js";
import { nextHere, pick, pickLane, select, stepKeypoint, stepPerson, stepSuspect } from "./choosing.js";
import { askPerson, edit, fillGap, hasKeypoint, moveKeypoint, nudge, refresh, saveNudge, showLoaded } from "./editing.js";
import { Film } from "./film.js";
import { showError, toast } from "./notices.js";
import { showHover, update } from "./panel.js";
import { PeopleStore } from "./people.js";
import { endFilm, goTo, pause, play, seek, setRate, showImage } from "./playing.js";
import {
  $, ask, film, findPerson, frames, lanes, session, setParts, setSession, stage, state, store, timeline, times,
} from "./shared.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { formatTime, sentence } from "./words.js";

async function start() {
  setSession(await getJson("session.json"), await getBytes("rows.bin"));
  const store = new PeopleStore(session.length, { loaded: showLoaded, failed: showError });
  const film = new Film($("video"), { ...session, times, shown: showImage, ended: endFilm, failed: showError });
  film.setRate(session.fps);
  const grabbed = () => state.isPlaying && pause();
  const stage = new Stage($("image"), session, { picked: pick, grabbed, moved: moveKeypoint, hovered: showHover });
  const timeline = new Timeline({
    ruler: $("ruler"), lanes: $("lanes"), canvas: $("lanes-canvas"), space: $("lanes-space"),
    frames, colorOf: (id) => stage.colorOf(id), sought: seek, picked: pickLane,
  });
  const ask = new Ask({
    form: $("ask"), text: $("ask-text"), value: $("ask-value"), cancel: $("ask-cancel"), changed: update,
  });
  setParts({ store, film, stage, timeline, ask });
  $("source").textContent = session.source;
  document.title = `${session.source} – PoseTrack review`;
  $("note-text").textContent = session.notes.join("\n");
  $("note").hidden = !session.notes.length;
  $("length").textContent = `of ${formatTime(times[times.length - 1])}`;
  makeButtons();
  await refresh();
  store.fit(lanes.reduce((sum, lane) => sum + lane.seconds * session.fps, 0) / Math.max(session.length, 1));
  goTo(0);
  await film.ready;
  document.body.dataset.film = film.kind;
  film.show(state.row);
  document.body.dataset.ready = "true";
}

const DO = {
  play: () => (state.isPlaying ? pause() : play()),
  back: (event) => seek(Math.max(state.row - (event?.shiftKey ? 10 : 1), 0)),
  forward: (event) => seek(Math.min(state.row + (event?.shiftKey ? 10 : 1), session.length - 1)),
  first: () => seek(0),
  last: () => seek(session.length - 1),
  loop: () => {
    state.isLooping = !state.isLooping;
    if (state.isPlaying) play();
    update();
  },
  "mark-in": () => mark(state.row, Math.max(state.marks?.[1] ?? state.row, state.row)),
  "mark-out": () => mark(Math.min(state.marks?.[0] ?? state.row, state.row), state.row),
  unmark: () => mark(),
  "person-back": () => stepPerson(-1),
  "person-on": () => stepPerson(1),
  "person-here": nextHere,
  "suspect-back": () => stepSuspect(-1),
  "suspect-on": () => stepSuspect(1),
  "zoom-person": () => {
    const person = findPerson();
    if (stage.isZoomed || !person) stage.fit();
    else stage.zoomTo(person.box);
    if (!person && !stage.isZoomed) toast("Select a person of this frame to zoom to.");
    update();
  },
  boxes: () => show("boxes"),
  images: () => show("images"),
  "zoom-in": () => timeline.zoom(1 / 2),
  "zoom-out": () => timeline.zoom(2),
  "zoom-all": () => timeline.zoomAll(),
  merge: async () => {
    const id = state.selected;
    const other = await askPerson(`Merge into ${id}: click the other person, or type the id`);
    if (other !== null) edit({ edit: "merge", keep: id, other }, id);
  },
  split: () => edit({ edit: "split", id: state.selected, frame: frames[state.row] }),
  swap: async () => {
    const id = state.selected;
    const frame = frames[state.row];
    const other = await askPerson(`Swap ${id} from frame ${frame} on: click the other person, or type the id`);
    if (other !== null) edit({ edit: "swap", a: id, b: other, frame }, id);
  },
  rename: async () => {
    const id = state.selected;
    const value = await ask.ask(`New id of ${id}`);
    if (value !== null) edit({ edit: "rename", id, new: value }, value);
  },
  delete: () => edit({ edit: "delete", id: state.selected }),
  "delete-range": () => {
    const [first, last] = state.marks.map((row) => frames[row]);
    edit({ edit: "delete", id: state.selected, first, last });
  },
  interpolate: fillGap,
  "interpolate-all": () => edit({ edit: "interpolate", id: state.selected }),
  "drop-short": async () => {
    const seconds = await ask.ask("Drop everybody who is seen for less than … seconds", { value: "1" });
    if (seconds !== null) edit({ edit: "drop-short", seconds });
  },
  "keypoint-on": () => stepKeypoint(1),
  "keypoint-back": () => stepKeypoint(-1),
  nudge,
  absent: () => {
    if (hasKeypoint(findPerson())) edit({ edit: "keypoint", id: state.selected, frame: frames[state.row], keypoint: state.keypoint, xy: null });
  },
  undo: () => edit({ edit: "undo" }),
  redo: () => edit({ edit: "redo" }),
  export: () => {
    $("exported").textContent = "";
    $("export").showModal();
  },
  keys: () => $("keys").showModal(),
  escape: () => {
    if (ask.isOpen) ask.cancel();
    else if (state.keypoint !== null) {
      state.keypoint = null;
      update();
    } else select(null);
  },
};

function perform(id, event) {
  const action = ACTIONS.find((each) => each.id === id);
  if (action?.needs && state.selected === null) {
    toast("Select a person first.");
    return;
  }
  if (action?.needs === "marks" && !state.marks) {
    toast("Mark a range first, with [ and ].");
    return;
  }
  if (id !== "nudge") saveNudge();
  DO[id](event);
}

function mark(first, last) {
  state.marks = first === undefined ? null : [first, last];
  timeline.marks = state.marks;
  timeline.draw();
  update();
}

function show(what) {
  stage.shows[what] = !stage.shows[what];
  stage.draw();
  update();
}

function makeButtons() {
  fillActions($("actions"), ACTIONS);
  fillKeys($("keys-list"), ACTIONS);
  $("keypoint").append(new Option("none", ""), ...session.skeleton.names.map((name, i) => new Option(name.replaceAll("_", " "), i)));
  $("keypoint").addEventListener("change", (event) => {
    state.keypoint = event.target.value === "" ? null : Number(event.target.value);
    event.target.blur();
    update();
  });
  for (const format of session.exports) {
    const button = makeButton("", format, "");
    button.dataset.format = format;
    button.addEventListener("click", () => write(format));
    $("exports").append(button);
  }
  $("rate").addEventListener("change", (event) => {
    setRate(Number(event.target.value));
    event.target.blur();
  });
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", (event) => {
      if (event.detail) button.blur();
      perform(button.dataset.do, event);
    });
  }
  $("note-close").addEventListener("click", () => ($("note").hidden = true));
  $("show-keys").addEventListener("click", DO.keys);
  $("show-export").addEventListener("click", DO.export);
}

async function write(format) {
  $("exported").textContent = "Writing…";
  try {
    $("exported").textContent = `Written: ${(await post("export", { format })).path}`;
  } catch (error) {
    $("exported").textContent = sentence(error.message);
  }
}

document.addEventListener("keydown", (event) => {
  if (!session || !ask || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input, select") && event.key !== "Escape") return;
  // Space and Enter press the button that has the focus.
  if (event.target.closest?.("button") && [" ", "Enter"].includes(event.key)) return;
  const action = findAction(event);
  if (!action) return;
  event.preventDefault();
  perform(action.id, event);
});
document.addEventListener("keyup", (event) => {
  if (event.key.startsWith("Arrow") || event.key === "Alt") saveNudge();
});
// Edits of the command line, or of another tab.
addEventListener("focus", () => session && ask && refresh());
addEventListener("pagehide", saveNudge);

// For tests, and for a look from the console.
window.review = {
  state, seek, place: (x, y) => stage.place(x, y), placeRow: (row) => timeline.place(row),
  get chunks() { return store.count; }, get people() { return store.get(state.row)?.people; },
  get lanes() { return timeline.ids; }, get isFresh() { return store.isFresh(state.row); }, get image_row() { return film.image?.row; },
};

start().catch((error) => {
  $("saved").textContent = "Not loaded";
  toast(sentence(error.message));
  throw error;
});
