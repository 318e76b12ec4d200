// From a key press to the name of an action, by the keys of this person.

export const ABOUT = [
  ["Decide", {
    keep: "Keep, and go on", reject: "Reject for the reason shown", reject_as: "Reject for another reason",
    accept: "Accept the suggestion", relabel: "Type another label", repeat: "Repeat the last decision",
    reject_drawing: "Out: drawing, render, painting", reject_text: "Out: text, cover, collage", reject_object: "Out: toy, figurine, product",
    reject_species: "Out: wrong species or label", reject_quality: "Out: bad quality",
    unsure: "Unsure: second look later", undo: "Undo", redo: "Redo",
  }],
  ["Move", {
    next: "Next picture (or down)", previous: "Picture before (or up)", first: "First", last: "Last", page_down: "A page down",
    page_up: "A page up", filter: "Filter", mode: "Next mode", grid: "Grid", single: "One picture", compare: "Compare copies",
    similar: "More like this", search: "Search by words",
  }],
  ["Look", {
    peek: "Held: in full size", zoom: "Original size at the pointer, and back", lock_zoom: "Keep the zoom for the next picture",
    square: "Outline of the middle square", information: "Show or hide what is known", help: "This page",
  }],
  ["Compare copies", {
    keep_left: "Keep the left one", keep_right: "Keep the right one", keep_both: "Keep both", keep_neither: "Keep neither",
    accept_group: "Keep the best of the group", flip: "Flip in place", difference: "Difference",
    previous_group: "Group before", next_group: "Next group",
  }],
  ["Grid", {
    select_all: "Select all that the filter shows", clear: "Clear the selection; back to where you were",
    keep_page: "Keep what is on the screen and undecided, and scroll on",
  }],
];

const COMPARING = new Set(Object.keys(ABOUT[3][1]));
const NAMES = {
  " ": "Space", Enter: "⏎", Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc",
  PageDown: "PgDn", PageUp: "PgUp", Delete: "Del",
};

/** How a key is written on a key cap. */
export function keyName(chord) {
  const parts = chord === "+" ? ["+"] : chord.split("+");
  const key = parts.pop();
  return [...parts.map((part) => (part === "Shift" ? "⇧" : part === "Ctrl" ? "Ctrl " : "Alt ")), NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key)].join("");
}

/** A key press as it is written in the keys file: "x", "Shift+x", "Ctrl+z", "Space". */
export function chordOf(event) {
  const typed = event.getModifierState?.("AltGraph");
  const letter = /^\p{L}$/u.test(event.key);
  const key = event.key === " " ? "Space" : letter ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (letter || event.key.length > 1 || event.key === " ");
  return `${!typed && (event.ctrlKey || event.metaKey) ? "Ctrl+" : ""}${!typed && event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

/** 1 to 9 where a digit was pressed, by its place on the keyboard where digits need Shift; else 0. */
export function digitOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return 0;
  if (/^[1-9]$/.test(event.key)) return Number(event.key);
  const place = /^(?:Digit|Numpad)([1-9])$/.exec(event.code ?? "");
  return place && !event.shiftKey ? Number(place[1]) : 0;
}

export class Keymap {
  constructor(keys) {
    this.keys = keys;
    this.general = new Map();
    this.comparing = new Map();
    for (const [action, chords] of Object.entries(keys)) {
      for (const chord of chords) (COMPARING.has(action) ? this.comparing : this.general).set(chord, action);
    }
  }

  /** The name of the action, "label3" for the third label, "" for none. */
  action(event, { comparing }) {
    const chord = chordOf(event);
    const found = (comparing && this.comparing.get(chord)) || this.general.get(chord);
    if (found) return found;
    const digit = digitOf(event);
    return digit ? `label${digit}` : "";
  }

  /** The first key of an action for a key cap, "" where it has none. */
  cap(action) {
    const chord = this.keys[action]?.[0];
    return chord ? keyName(chord) : "";
  }

  caps(action) { return (this.keys[action] ?? []).map(keyName); }
}

/** Whether a key press belongs to what has the focus: text being typed, or a control reached by Tab. */
export function isTyping(event) {
  const element = event.target instanceof Element ? event.target : null;
  if (!element) return false;
  if (element.closest("dialog[open]")) return true;
  if (element.matches("input, textarea, select, [contenteditable]")) return true;
  return element.matches("button, a, summary") && element.matches(":focus-visible") && ["Enter", " "].includes(event.key);
}
