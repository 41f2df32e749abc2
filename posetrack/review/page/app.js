// The page: what is looked at is kept here, what is edited on the server, on whose disk it is at once.

import { ACTIONS, findAction } from "./actions.js";
import { Lost, Refused, getBytes, getJson, isThere, post } from "./api.js";
import { Ask } from "./ask.js";
import { Film } from "./film.js";
import { fillActions, fillKeys, makeButton, makeItem } from "./panel.js";
import { PeopleStore } from "./people.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { count, describeSuspect, formatTime, sentence } from "./words.js";

const NEAR_S = 0.5;
const TOAST_MS = 5000;
const LISTED = 60;

const $ = (id) => document.getElementById(id);
const state = { row: 0, selected: null, keypoint: null, marks: null, isPlaying: false, isLooping: false, rate: 1 };
let session, times, frames, store, film, stage, timeline, lanes, lane_of, ask;
let edits = { revision: -1, num_edits: 0, edits: [], undone: [] };
let clock = null;
let toastTimer = null;
let reconnecting = null;
let nudged = null;

async function start() {
  session = await getJson("session.json");
  const packed = await getBytes("rows.bin");
  times = new Float64Array(packed, 0, session.length);
  frames = new Int32Array(packed, 8 * session.length, session.length);
  store = new PeopleStore(session.length, { loaded: showLoaded, failed: showError });
  film = new Film($("video"), { ...session, times, shown: showImage, ended: endFilm, failed: showError });
  film.setRate(session.fps);
  const grabbed = () => state.isPlaying && pause();
  stage = new Stage($("image"), session, { picked: pick, grabbed, moved: moveKeypoint, hovered: showHover });
  timeline = new Timeline({
    ruler: $("ruler"), lanes: $("lanes"), canvas: $("lanes-canvas"), space: $("lanes-space"),
    frames, colorOf: (id) => stage.colorOf(id), sought: seek, picked: pickLane,
  });
  ask = new Ask({
    form: $("ask"), text: $("ask-text"), value: $("ask-value"), cancel: $("ask-cancel"), changed: update,
  });
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

// Where we are

function goTo(row) {
  state.row = Math.min(Math.max(Math.round(row), 0), session.length - 1);
  film.show(state.row);
  drawRow(state.row);
}

function seek(row) {
  if (row === state.row) return;
  if (state.isPlaying) pause();
  goTo(row);
}

function drawRow(row) {
  const frame = store.get(row);
  store.prefetch(row + store.size);
  if (frame) stage.frame = frame;
  else if (!state.isPlaying) stage.frame = null;
  if (frame?.size) stage.size = frame.size;
  else if (frame) stage.size = session.size;
  stage.row = row;
  stage.image = film.image;
  if (state.isPlaying) stage.drawNow();
  else stage.draw();
  timeline.row = row;
  timeline.follow();
  $("frame").textContent = String(frames[row]);
  $("time").textContent = formatTime(times[row]);
  document.body.dataset.row = row;
  showPerson();
}

function showImage(row) {
  if (state.isPlaying) advance(row);
  else {
    stage.image = film.image;
    stage.draw();
  }
}

function showLoaded(start, stop, revision) {
  if (revision !== edits.revision) refresh();
  if (state.row >= start && state.row < stop) drawRow(state.row);
}

function advance(row) {
  const [first, last] = limits();
  if (row >= last || row < first) {
    if (!state.isLooping) {
      pause();
      goTo(last);
      return;
    }
    if (row >= last || row < first - 1) {
      row = first;
      restart(first);
    }
  }
  state.row = row;
  drawRow(row);
}

function limits() {
  return state.isLooping && state.marks ? state.marks : [0, session.length - 1];
}

function play() {
  const [first, last] = limits();
  if (state.row >= last || state.row < first) state.row = first;
  state.isPlaying = true;
  restart(state.row);
  update();
}

function restart(row) {
  clock = { row, at_ms: performance.now() };
  if (film.isPlaying) film.jump(row);
  else if (!film.play(row, state.rate)) requestAnimationFrame(tick);
}

// Without a video that plays by itself.
function tick() {
  if (!state.isPlaying || film.kind === "video") return;
  const time_s = times[clock.row] + ((performance.now() - clock.at_ms) / 1000) * state.rate;
  const row = film.rowAt(time_s);
  if (film.kind === "images") film.show(row);
  if ((film.kind === "none" || film.image?.row === row) && row !== state.row) advance(row);
  requestAnimationFrame(tick);
}

// The video is over; the last image may have been left out. Poses that go on without it are no part of playing.
function endFilm() {
  if (!state.isPlaying) return;
  const [, last] = limits();
  if (times[last] - times[state.row] < NEAR_S) advance(last);
  else pause();
}

function pause() {
  state.isPlaying = false;
  film.pause();
  film.show(state.row);
  update();
}

// Who is selected

function select(id, keypoint = null) {
  state.selected = id;
  state.keypoint = id === null ? null : keypoint;
  timeline.select(id);
  update();
}

function pick(id, keypoint) {
  if (ask.wantsPerson) {
    if (id !== null) ask.pick(id);
    return;
  }
  select(id, keypoint);
}

// True if it has answered a question.
function pickLane(id) {
  if (ask.wantsPerson) {
    ask.pick(id);
    return true;
  }
  select(id);
  return false;
}

function findPerson(id = state.selected, row = state.row) {
  return store.get(row)?.people.find((person) => person.id === id) ?? null;
}

function stepPerson(by) {
  const { ids } = timeline;
  if (!ids.length) return;
  const at = ids.indexOf(state.selected);
  const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(Math.max(at + by, 0), ids.length - 1);
  select(ids[next]);
}

function nextHere() {
  const here = (store.get(state.row)?.people ?? []).map((person) => person.id).filter((id) => id >= 0);
  here.sort((a, b) => a - b);
  if (here.length) select(here.find((id) => id > (state.selected ?? -1)) ?? here[0]);
}

function listSuspects() {
  return lanes
    .flatMap((lane) => lane.suspects.map(([row, other, oks, speed]) => ({ id: lane.id, row, other, oks, speed })))
    .sort((a, b) => a.row - b.row || a.id - b.id);
}

function stepSuspect(by) {
  const all = edits.suspects;
  const isHere = (each) => each.row === state.row && each.id === state.selected;
  const here = all.findIndex(isHere);
  let next = here >= 0 ? all[here + by] : undefined;
  if (here < 0) next = by > 0 ? all.find((each) => each.row >= state.row) : all.findLast((each) => each.row <= state.row);
  if (!next) {
    toast(all.length ? `No suspected switch ${by > 0 ? "after" : "before"} this one.` : "No suspected switches.");
    return;
  }
  if (state.isPlaying) pause();
  select(next.id);
  goTo(next.row);
}

// Edits

async function edit(command, chosen) {
  $("saved").textContent = "Saving…";
  try {
    const answer = await post("edit", command);
    toast(sentence(answer.done));
    if (chosen !== undefined) state.selected = chosen;
  } catch (error) {
    showError(error);
  }
  await refresh();
}

async function refresh() {
  try {
    const news = await getJson("timeline.json");
    if (news.revision !== edits.revision) store.expire();
    edits = news;
    lanes = news.lanes;
    lane_of = new Map(lanes.map((lane) => [lane.id, lane]));
    edits.suspects = listSuspects();
    edits.suspects_at = new Map();
    for (const each of edits.suspects) edits.suspects_at.set(each.row, [...(edits.suspects_at.get(each.row) ?? []), each]);
    timeline.setLanes(lanes);
    if (state.selected !== null && !lane_of.has(state.selected)) select(null);
    else if (timeline.selected !== state.selected) timeline.select(state.selected);
    if (document.body.dataset.row) drawRow(state.row);
    $("saved").textContent = edits.num_edits ? `${count(edits.num_edits, "edit")}, saved` : "No edits";
    document.body.dataset.saved = edits.revision;
    update();
  } catch (error) {
    showError(error);
  }
}

async function askPerson(text) {
  const id = await ask.ask(text, { wantsPerson: true });
  return id === null || id === state.selected ? null : id;
}

function moveKeypoint(id, keypoint, xy, row) {
  state.keypoint = keypoint;
  const person = findPerson(id, row);
  if (person) [person.points[3 * keypoint], person.points[3 * keypoint + 1], person.points[3 * keypoint + 2]] = [...xy, 1];
  stage.draw();
  const rounded = xy.map((value) => Math.round(value * 100) / 100);
  return edit({ edit: "keypoint", id, frame: frames[row], keypoint, xy: rounded });
}

function stepKeypoint(by) {
  const { length } = session.skeleton.names;
  state.keypoint = state.keypoint === null ? (by > 0 ? 0 : length - 1) : (state.keypoint + by + length) % length;
  update();
}

function hasKeypoint(person) {
  if (person && !person.points.length) toast(`${person.id} is only a box here, without keypoints.`);
  else if (!person || state.keypoint === null) toast("Choose a keypoint of a person of this frame first, with K.");
  else return true;
  return false;
}

// The keypoint moves while the key is held, and is saved when it is released.
function nudge(event) {
  const person = findPerson();
  if (!hasKeypoint(person)) return;
  const by = event.shiftKey ? 10 : 1;
  const [dx, dy] = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key];
  person.points[3 * state.keypoint] += dx;
  person.points[3 * state.keypoint + 1] += dy;
  person.points[3 * state.keypoint + 2] = 1;
  nudged = { id: person.id, keypoint: state.keypoint, row: state.row, person };
  stage.draw();
}

function saveNudge() {
  if (!nudged) return;
  const { id, keypoint, row, person } = nudged;
  nudged = null;
  moveKeypoint(id, keypoint, [person.points[3 * keypoint], person.points[3 * keypoint + 1]], row);
}

function fillGap() {
  const id = state.selected;
  const [first, last] = state.marks ?? [state.row, state.row];
  const { runs } = lane_of.get(id);
  // The ends of a range may be the frames beside a gap; without one, the gap around this frame is meant.
  const isSeen = runs.some((start, i) => i % 2 === 0 && start <= state.row && state.row < runs[i + 1]);
  if (!state.marks && isSeen) {
    toast(`${id} is in this frame; go to a frame of a gap, or mark a range.`);
    return;
  }
  edit({ edit: "interpolate", id, first: frames[first], last: frames[last] });
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

// The rest of the page

function update() {
  stage.selected = state.selected;
  stage.keypoint = state.keypoint;
  stage.isPicking = ask?.wantsPerson ?? false;
  stage.draw();
  timeline.draw();
  const pressed = {
    play: state.isPlaying, loop: state.isLooping, boxes: stage.shows.boxes, images: stage.shows.images,
    "zoom-person": stage.isZoomed,
  };
  for (const [id, value] of Object.entries(pressed)) {
    document.querySelector(`[data-do="${id}"]`).setAttribute("aria-pressed", value);
  }
  $("play").textContent = state.isPlaying ? "Pause" : "Play";
  $("marks").hidden = !state.marks;
  if (state.marks) $("marks").textContent = `${frames[state.marks[0]]}–${frames[state.marks[1]]} ×`;
  document.querySelector('[data-do="images"]').hidden = !session.has_video;
  for (const action of ACTIONS) {
    const button = document.querySelector(`[data-do="${action.id}"]`);
    if (!button || !action.needs) continue;
    button.disabled = state.selected === null || (action.needs === "marks" && !state.marks);
  }
  for (const id of ["suspect-back", "suspect-on"]) {
    document.querySelector(`[data-do="${id}"]`).disabled = !edits.suspects?.length;
  }
  document.querySelector('[data-do="undo"]').disabled = !edits.edits.length;
  document.querySelector('[data-do="redo"]').disabled = !edits.undone.length;
  document.body.dataset.selected = state.selected ?? "";
  document.body.dataset.keypoint = state.keypoint ?? "";
  document.body.dataset.playing = state.isPlaying;
  showPerson();
  showHistory();
}

function showPerson() {
  const lane = lane_of?.get(state.selected);
  $("keypoints").hidden = !lane || findPerson()?.points.length === 0;
  if (!lane) {
    setText($("person-title"), "Nobody selected");
    setText($("person-text"), "Click a person in the image, or a lane.");
  } else {
    const { runs } = lane;
    const gaps = runs.length / 2 - 1;
    const ends = `frames ${frames[runs[0]]}–${frames[runs.at(-1) - 1]}`;
    setText($("person-title"), `Person ${lane.id}`);
    setText($("person-text"), `${lane.seconds.toFixed(1)} s, ${ends}${gaps ? `, ${count(gaps, "gap")}` : ""}`);
    $("keypoint").value = state.keypoint ?? "";
  }
  const here = edits.suspects_at?.get(state.row) ?? [];
  const chosen = here.find((each) => each.id === state.selected) ?? here[0];
  setText($("suspects-title"), `Suspected switches: ${edits.suspects?.length ?? 0}`);
  setText($("suspect-text"), chosen ? describeSuspect(chosen) : "");
  $("suspect-text").hidden = !chosen;
}

let listed = -1;
function showHistory() {
  if (listed === edits.revision) return;
  listed = edits.revision;
  $("history").replaceChildren(
    ...edits.undone.slice(-LISTED / 3).map((text) => makeItem(text, "undone")),
    ...edits.edits.slice(-LISTED).reverse().map((text) => makeItem(text, "")),
  );
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
    state.rate = Number(event.target.value);
    film.setSpeed(state.rate);
    clock = { row: state.row, at_ms: performance.now() };
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

function showHover(hit) {
  const hover = $("hover");
  hover.hidden = !hit;
  if (!hit) return;
  hover.textContent = session.skeleton.names[hit.keypoint].replaceAll("_", " ");
  const { left, top } = $("image").getBoundingClientRect();
  hover.style.left = `${hit.x - left + 12}px`;
  hover.style.top = `${hit.y - top - 28}px`;
}

function toast(text) {
  clearTimeout(toastTimer);
  $("toast").textContent = text;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), TOAST_MS);
}

function showError(error) {
  if (error instanceof Lost) showLost();
  else if (error instanceof Refused) toast(sentence(error.message));
  else throw error;
}

// The program has ended, or the network is gone: try until it is back.
function showLost() {
  $("saved").textContent = "Not connected";
  document.body.dataset.lost = "true";
  toast("No connection to posetrack review. All edits so far are saved; start it again to go on.");
  reconnecting ??= setInterval(async () => {
    if (!(await isThere())) return;
    clearInterval(reconnecting);
    location.reload();
  }, 2000);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
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
