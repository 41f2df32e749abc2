// What stands beside the image and the timeline, as it is now.

import { ACTIONS } from "./actions.js";
import { makeItem } from "./buttons.js";
import { $, ask, edits, findPerson, frames, lane_of, session, stage, state, timeline } from "./shared.js";
import { count, describeSuspect } from "./words.js";

const LISTED = 60;

let listed = -1;

export function update() {
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

export function showPerson() {
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

function showHistory() {
  if (listed === edits.revision) return;
  listed = edits.revision;
  $("history").replaceChildren(
    ...edits.undone.slice(-LISTED / 3).map((text) => makeItem(text, "undone")),
    ...edits.edits.slice(-LISTED).reverse().map((text) => makeItem(text, "")),
  );
}

export function showHover(hit) {
  const hover = $("hover");
  hover.hidden = !hit;
  if (!hit) return;
  hover.textContent = session.skeleton.names[hit.keypoint].replaceAll("_", " ");
  const { left, top } = $("image").getBoundingClientRect();
  hover.style.left = `${hit.x - left + 12}px`;
  hover.style.top = `${hit.y - top - 28}px`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
