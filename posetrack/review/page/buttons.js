// Parts of the page that are made of the list of actions.

import { showKeys } from "./actions.js";

export function fillActions(place, actions) {
  for (const action of actions) {
    if (action.button) place.append(makeButton(action.id, action.button, showKeys(action)));
  }
}

export function fillKeys(place, actions) {
  for (const name of new Set(actions.map((action) => action.group))) {
    const title = document.createElement("h3");
    title.textContent = name;
    const list = document.createElement("dl");
    for (const action of actions.filter((each) => each.group === name)) {
      const [row, key, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
      key.append(Object.assign(document.createElement("kbd"), { textContent: showKeys(action) }));
      text.textContent = action.text;
      row.append(key, text);
      list.append(row);
    }
    const section = document.createElement("section");
    section.append(title, list);
    place.append(section);
  }
}

export function makeButton(id, text, key) {
  const button = document.createElement("button");
  button.type = "button";
  if (id) button.dataset.do = id;
  button.textContent = text;
  if (key) button.append(Object.assign(document.createElement("kbd"), { textContent: key }));
  return button;
}

export function makeItem(text, className) {
  const item = document.createElement("li");
  item.textContent = text;
  item.className = className;
  return item;
}
