// Everything that can be done, each with its name, its keys and when it is possible: buttons, keys and help.

// `needs`: "person" a selection, "marks" a marked range; `key` as of KeyboardEvent.key, with its modifiers before.
export const ACTIONS = [
  { id: "play", group: "Playing", text: "Play, pause", keys: [" "], shown: "Space" },
  { id: "back", group: "Playing", text: "One frame back, ten with Shift", keys: ["ArrowLeft", "Shift+ArrowLeft"], shown: "← ⇧ ←" },
  { id: "forward", group: "Playing", text: "One frame on, ten with Shift", keys: ["ArrowRight", "Shift+ArrowRight"], shown: "→ ⇧ →" },
  { id: "first", group: "Playing", text: "First frame", keys: ["Home"] },
  { id: "last", group: "Playing", text: "Last frame", keys: ["End"] },
  { id: "loop", group: "Playing", text: "Loop, of the marked range if there is one", keys: ["l"] },
  { id: "mark-in", group: "Playing", text: "Mark the first frame of a range", keys: ["["] },
  { id: "mark-out", group: "Playing", text: "Mark the last frame of a range", keys: ["]"] },
  { id: "unmark", group: "Playing", text: "Remove the marks", keys: ["x"] },

  { id: "person-back", group: "Looking", text: "Person above in the timeline", keys: ["ArrowUp"], shown: "↑" },
  { id: "person-on", group: "Looking", text: "Person below in the timeline", keys: ["ArrowDown"], shown: "↓" },
  { id: "person-here", group: "Looking", text: "Next person of this frame", keys: ["n"] },
  { id: "suspect-back", group: "Looking", text: "Previous suspected switch", keys: [","] },
  { id: "suspect-on", group: "Looking", text: "Next suspected switch", keys: ["."] },
  { id: "zoom-person", group: "Looking", text: "Zoom to the person, and back", keys: ["f"] },
  { id: "boxes", group: "Looking", text: "Boxes", keys: ["b"] },
  { id: "images", group: "Looking", text: "Image of the video", keys: ["v"] },
  { id: "zoom-in", group: "Looking", text: "Timeline: fewer frames", keys: ["+", "="], shown: "+" },
  { id: "zoom-out", group: "Looking", text: "Timeline: more frames", keys: ["-"], shown: "−" },
  { id: "zoom-all", group: "Looking", text: "Timeline: all frames", keys: ["0"] },

  { id: "merge", group: "Edits", text: "Merge with another person", keys: ["m"], needs: "person", button: "Merge…" },
  { id: "split", group: "Edits", text: "Split here: another person from this frame on", keys: ["s"], needs: "person", button: "Split here" },
  { id: "swap", group: "Edits", text: "Swap with another person from this frame on", keys: ["w"], needs: "person", button: "Swap…" },
  { id: "rename", group: "Edits", text: "Rename: another id", keys: ["r"], needs: "person", button: "Rename…" },
  { id: "delete", group: "Edits", text: "Delete the person", keys: ["Delete", "Backspace"], shown: "Del", needs: "person", button: "Delete" },
  { id: "delete-range", group: "Edits", text: "Delete the person in the marked range", keys: ["Shift+Delete", "Shift+Backspace"], shown: "⇧Del", needs: "marks", button: "Delete range" },
  { id: "interpolate", group: "Edits", text: "Fill the gap here, or those of the marked range", keys: ["i"], needs: "person", button: "Fill gap" },
  { id: "interpolate-all", group: "Edits", text: "Fill all gaps of the person", keys: ["Shift+I"], shown: "⇧I", needs: "person", button: "Fill all gaps" },
  { id: "drop-short", group: "Edits", text: "Drop short tracks", keys: ["t"], button: "Drop short…" },
  { id: "keypoint-on", group: "Edits", text: "Next keypoint of the person", keys: ["k"], needs: "person" },
  { id: "keypoint-back", group: "Edits", text: "Previous keypoint", keys: ["Shift+K"], shown: "⇧K", needs: "person" },
  { id: "nudge", group: "Edits", text: "Move the keypoint 1 px, 10 with Shift", keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].flatMap((key) => [`Alt+${key}`, `Alt+Shift+${key}`]), shown: "Alt ← ↑ → ↓", needs: "person" },
  { id: "absent", group: "Edits", text: "Keypoint not to be seen", keys: ["a"], needs: "person" },
  { id: "undo", group: "Edits", text: "Undo", keys: ["Ctrl+z"], shown: "Ctrl Z" },
  { id: "redo", group: "Edits", text: "Redo", keys: ["Ctrl+Shift+z", "Ctrl+y"], shown: "Ctrl Y" },

  { id: "export", group: "Page", text: "Export as ground truth", keys: ["e"] },
  { id: "keys", group: "Page", text: "These keys", keys: ["?"] },
  { id: "escape", group: "Page", text: "Cancel; deselect", keys: ["Escape"], shown: "Esc" },
];

const BY_KEY = new Map(ACTIONS.flatMap((action) => action.keys.map((key) => [key, action])));

export function findAction(event) {
  // Signs that need AltGr or Shift on some keyboards are told by themselves.
  const isSign = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase();
  const isAltGr = isSign && event.getModifierState("AltGraph");
  const held = [
    (event.ctrlKey || event.metaKey) && !isAltGr && "Ctrl+",
    event.altKey && !isAltGr && "Alt+",
    event.shiftKey && !isSign && "Shift+",
  ];
  const modifiers = held.filter(Boolean).join("");
  let { key } = event;
  if (key.length === 1 && !isSign) {
    // Keyboards of other scripts have the letters in the same places.
    if (key.charCodeAt(0) > 127 && event.code.startsWith("Key")) key = event.code[3];
    key = event.shiftKey && modifiers === "Shift+" ? key.toUpperCase() : key.toLowerCase();
  }
  return BY_KEY.get(modifiers + key);
}

export const showKeys = ({ shown, keys: [key] }) => shown ?? (key.length === 1 ? key.toUpperCase() : key);
