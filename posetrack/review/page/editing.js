// Edits: asked for here, made by the program, which has them on the disk when it answers.

import { getJson, post } from "./api.js";
import { select } from "./choosing.js";
import { showError, toast } from "./notices.js";
import { update } from "./panel.js";
import { drawRow } from "./playing.js";
import { $, ask, edits, findPerson, frames, lane_of, lanes, setTracks, stage, state, store, timeline } from "./shared.js";
import { count, sentence } from "./words.js";

let nudged = null;

export async function edit(command, chosen) {
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

export async function refresh() {
  try {
    const news = await getJson("timeline.json");
    if (news.revision !== edits.revision) store.expire();
    setTracks(news);
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

export function showLoaded(start, stop, revision) {
  if (revision !== edits.revision) refresh();
  if (state.row >= start && state.row < stop) drawRow(state.row);
}

export async function askPerson(text) {
  const id = await ask.ask(text, { wantsPerson: true });
  return id === null || id === state.selected ? null : id;
}

export function moveKeypoint(id, keypoint, xy, row) {
  state.keypoint = keypoint;
  const person = findPerson(id, row);
  if (person) [person.points[3 * keypoint], person.points[3 * keypoint + 1], person.points[3 * keypoint + 2]] = [...xy, 1];
  stage.draw();
  const rounded = xy.map((value) => Math.round(value * 100) / 100);
  return edit({ edit: "keypoint", id, frame: frames[row], keypoint, xy: rounded });
}

export function hasKeypoint(person) {
  if (person && !person.points.length) toast(`${person.id} is only a box here, without keypoints.`);
  else if (!person || state.keypoint === null) toast("Choose a keypoint of a person of this frame first, with K.");
  else return true;
  return false;
}

// The keypoint moves while the key is held, and is saved when it is released.
export function nudge(event) {
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

export function saveNudge() {
  if (!nudged) return;
  const { id, keypoint, row, person } = nudged;
  nudged = null;
  moveKeypoint(id, keypoint, [person.points[3 * keypoint], person.points[3 * keypoint + 1]], row);
}

export function fillGap() {
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
