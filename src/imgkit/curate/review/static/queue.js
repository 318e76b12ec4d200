// Which pictures a mode shows, and in what order. The page owns the order; the server never decides what is next.

import { REJECT } from "./listing.js";

export const MODES = [
  { name: "suspects", title: "Suspects", view: "single", about: "Pictures that a check found fault with, the surest first" },
  { name: "labels", title: "Labels", view: "single", about: "Pictures that look like another label" },
  { name: "duplicates", title: "Copies", view: "pair", about: "Copies of one picture, and pictures under several labels" },
  { name: "grid", title: "Grid", view: "grid", about: "Many at once: quick when few are bad" },
  { name: "second", title: "Second look", view: "single", about: "Marked unsure, or decided in a hurry" },
  { name: "trash", title: "Set aside", view: "grid", about: "What is out of the set, to take things back" },
  { name: "audit", title: "Audit", view: "audit", about: "How much noise is left" },
  { name: "overview", title: "Overview", view: "overview", about: "All labels in numbers, and finishing" },
];

export const modeOf = (name) => MODES.find((mode) => mode.name === name) ?? MODES[0];

const HURRIED_MS = 150;  // sooner than this nobody has seen the picture

/** Rows that a mode is about, whatever the filter says; in row order. */
export function belongs(mode, store, row) {
  const { listing, marks } = store;
  if (mode === "suspects") return listing.isSuspect(row) && !listing.isCopy(row);
  if (mode === "labels") return listing.isSuspect(row) && listing.suggested[row] >= 0 && !listing.isCopy(row);
  if (mode === "duplicates") return listing.isCopy(row);
  if (mode === "second") return marks.unsure[row] === 1 || store.hurried?.has(row);
  if (mode === "trash") return !store.kept(row);
  return mode === "grid" && (store.kept(row) || (listing.isSuspect(row) && !listing.isCopy(row) && !store.decided(row)));
}

/** Whether a row still waits for a person in this mode; what is marked unsure waits in the second look only. */
export function isOpen(mode, store, row) {
  if (mode === "second") return belongs(mode, store, row);
  return !store.decided(row) && !store.marks.unsure[row];
}

export const isHurried = (dwell) => dwell > 0 && dwell < HURRIED_MS;

/** @param {{label: number, reason: string, provider: number, state: string}} filter  -1 and "" let everything through */
export function passes(filter, store, row) {
  if (filter.label >= 0 && store.labelOf(row) !== filter.label) return false;
  if (filter.provider >= 0 && store.listing.provider[row] !== filter.provider) return false;
  if (filter.reason && reasonShown(store, row) !== filter.reason) return false;
  if (filter.state === "open") return !store.decided(row);
  if (filter.state === "decided") return store.decided(row);
  return true;
}

export function reasonShown(store, row) {
  return store.marks.action[row] === REJECT ? store.reasonOut(row) : store.listing.reason(row);
}

export const NO_FILTER = { label: -1, reason: "", provider: -1, state: "" };

/**
 * The same rows with those after `position` that wait sorted again; what was seen stays where it is, so that going back
 * and undo find it.
 */
export function resorted(mode, store, rows, position) {
  const rest = rows.slice(position + 1), waits = (row) => isOpen(mode, store, row);
  return [...rows.slice(0, position + 1), ...sorted(mode, store, rest.filter(waits), ""), ...rest.filter((row) => !waits(row))];
}

/** The rows of a mode in the order shown. */
export function rowsOf(mode, store, filter, order = "") {
  const rows = [];
  for (let row = 0; row < store.listing.rows; row++) {
    if (belongs(mode, store, row) && passes(filter, store, row)) rows.push(row);
  }
  return sorted(mode, store, rows, order);
}

function sorted(mode, store, rows, order) {
  const { listing } = store;
  if (mode === "labels") return rows.sort((a, b) => listing.score[b] - listing.score[a] || a - b);
  if (mode === "trash") return rows.sort((a, b) => setAsideRank(store, a) - setAsideRank(store, b) || a - b);
  if (mode === "grid" && order === "label") return rows;
  if (mode === "grid" && order === "random") return rows.sort((a, b) => scatter(a) - scatter(b));
  const rank = worstFirst(listing, rows);
  if (mode === "suspects" && store.learnt?.size) return byLearnt(store, rows, rank);
  return rows.sort((a, b) => rank.get(a) - rank.get(b) || a - b);
}

/** What decisions about others make likely bad first; what they say nothing about comes after, as the checks have it. */
function byLearnt(store, rows, rank) {
  const score = (row) => store.learnt.get(row) ?? -1;
  return rows.sort((a, b) => score(b) - score(a) || rank.get(a) - rank.get(b) || a - b);
}

/** What a person set aside first, then what the machine did; by reason. */
function setAsideRank(store, row) {
  const byPerson = store.marks.action[row] === REJECT ? 0 : 1000;
  return byPerson + store.listing.reasonNumber[row];
}

/** Scores compare within one check only, so the checks are dealt out in turn: each by its share of the way down. */
function worstFirst(listing, rows) {
  const byCheck = new Map();
  for (const row of rows) {
    const check = listing.check[row];
    if (!byCheck.has(check)) byCheck.set(check, []);
    byCheck.get(check).push(row);
  }
  const rank = new Map();
  const quiet = (row) => (listing.isSuspect(row) ? 0 : listing.verdict(row) === "r" ? 1 : 2);
  for (const some of byCheck.values()) {
    some.sort((a, b) => quiet(a) - quiet(b) || listing.score[b] - listing.score[a] || a - b);
    some.forEach((row, n) => rank.set(row, quiet(row) + (n + 0.5) / some.length));
  }
  return rank;
}

/** A fixed order that looks random: the same for everyone, and after a restart. */
const scatter = (row) => Math.imul(row + 1, 2654435761) >>> 0;

/** Groups of copies, those that cross labels first, then the likeliest copies. */
export function groupsOf(store, filter) {
  const { listing } = store;
  const shown = (group) => listing.members[group].some((row) => passes(filter, store, row));
  const crossing = (group) => new Set(listing.members[group].map((row) => listing.label[row])).size > 1;
  const surest = (group) => Math.max(...listing.members[group].map((row) => listing.score[row]));
  return listing.members.map((_, group) => group).filter(shown)
    .map((group) => ({ group, crossing: crossing(group), score: surest(group) }))
    .sort((a, b) => b.crossing - a.crossing || b.score - a.score || a.group - b.group)
    .map(({ group }) => group);
}

/** A group waits for a person while a member is undecided and the machine has not settled it. */
export function groupIsOpen(store, group) {
  const { listing } = store;
  const rows = listing.members[group];
  return rows.some((row) => listing.isSuspect(row) && !store.decided(row));
}

/** How many wait in each mode, all filters off. */
export function openCounts(store) {
  const counts = { suspects: 0, labels: 0, duplicates: 0, second: 0, trash: 0 };
  for (let row = 0; row < store.listing.rows; row++) {
    for (const mode of ["suspects", "labels"]) {
      if (belongs(mode, store, row) && isOpen(mode, store, row)) counts[mode]++;
    }
    if (belongs("second", store, row)) counts.second++;
    if (!store.kept(row)) counts.trash++;
  }
  for (let group = 0; group < store.listing.groupCount; group++) counts.duplicates += groupIsOpen(store, group);
  return counts;
}
