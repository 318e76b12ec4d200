// All pictures as columns: one row a picture, never copied, looked up by row number.

import { pictureAddress } from "./server.js";

export const NONE = 0, KEEP = 1, REJECT = 2, RELABEL = 3;
export const ACTIONS = ["", "keep", "reject", "relabel"];
const ID_DIGITS = 20;

export class Listing {
  constructor(columns, revision) {
    this.revision = revision;
    this.rows = columns.rows;
    this.checks = columns.checks;
    this.reasons = columns.reasons;
    this.providers = columns.providers;
    this.words = columns.words;
    this.titles = columns.titles;
    this.choices = columns.choices;
    this.groupCount = columns.groups;
    this.ids = columns.id;
    this.verdicts = columns.verdict;
    this.inSetFlags = columns.in_set;
    this.label = Int32Array.from(columns.label);
    this.provider = Int32Array.from(columns.provider);
    this.width = Int32Array.from(columns.width);
    this.height = Int32Array.from(columns.height);
    this.bytes = Float64Array.from(columns.bytes);
    this.check = Int16Array.from(columns.check);
    this.reasonNumber = Int16Array.from(columns.reason);
    this.score = Float32Array.from(columns.score);
    this.probability = Float32Array.from(columns.probability);  // that a person would throw it out, by the checks
    this.suggested = Int32Array.from(columns.suggested);
    this.group = Int32Array.from(columns.group);
    this.rank = Int32Array.from(columns.rank);
    this.usableFlags = columns.usable;
    this.members = this.#groups();
  }

  #groups() {
    const members = Array.from({ length: this.groupCount }, () => []);
    for (let row = 0; row < this.rows; row++) if (this.group[row] >= 0) members[this.group[row]].push(row);
    for (const rows of members) rows.sort((a, b) => this.inSet(b) - this.inSet(a) || this.rank[a] - this.rank[b] || this.#pixels(b) - this.#pixels(a) || a - b);
    return members;
  }

  #pixels(row) { return this.width[row] * this.height[row]; }

  id(row) { return this.ids.substr(row * ID_DIGITS, ID_DIGITS); }
  ref(row) { return `${this.label[row]}.${this.id(row)}`; }
  verdict(row) { return this.verdicts[row]; }
  inSet(row) { return this.inSetFlags[row] === "1"; }
  reason(row) { return this.reasons[this.reasonNumber[row]]; }
  isSuspect(row) { return this.verdicts[row] === "s"; }
  /** Whether a decision can bring the picture into the set: there is none in a file that cannot be read. */
  isUsable(row) { return this.usableFlags[row] === "1"; }
  isCopy(row) { return this.group[row] >= 0; }

  thumb(row, size) { return pictureAddress(`/thumb/${this.id(row)}/${size}`); }
  view(row) { return pictureAddress(`/view/${this.id(row)}`); }
  zoom(row) { return pictureAddress(`/zoom/${this.id(row)}`); }

  /** The words for a reason code: "looks like another label". */
  say(code) { return this.words[code] ?? code; }
  /** What a check is called: "off topic". */
  title(check) { return this.titles[check] ?? check; }
}

/** What people have said about each row. Reasons are numbers into a list that grows. */
export class Marks {
  constructor(rows) {
    this.action = new Uint8Array(rows);
    this.reasonNumber = new Int16Array(rows);
    this.to = new Int32Array(rows).fill(-1);
    this.unsure = new Uint8Array(rows);
    this.order = new Float64Array(rows);  // of two marks the later one has the higher
    this.reasons = [""];
    this.onSet = () => {};  // is told the row
  }

  get(row) {
    return {
      action: this.action[row], reason: this.reasons[this.reasonNumber[row]], to: this.to[row], unsure: this.unsure[row], order: this.order[row],
    };
  }

  set(row, { action, reason = "", to = -1, unsure = 0, order = 0 }) {
    this.action[row] = action;
    this.reasonNumber[row] = this.#number(reason);
    this.to[row] = to;
    this.unsure[row] = unsure;
    this.order[row] = order;
    this.onSet(row);
  }

  unsureCount() { return this.unsure.reduce((sum, one) => sum + one, 0); }

  #number(reason) {
    const known = this.reasons.indexOf(reason);
    return known >= 0 ? known : this.reasons.push(reason) - 1;
  }
}
