// Which pictures a mode shows, and in what order. The page owns the order; the server never decides what is next.

import { NONE } from "./listing.js";
import { OUT } from "./outcomes.js";

export const MODES = [
  { name: "weed", title: "Weed", view: "weed", about: "Pages of pictures, marked as the probabilities say: change what is wrong, go on with one key" },
  { name: "uncertain", title: "Uncertain", view: "single", aside: true, about: "One by one, the most uncertain first" },
  { name: "confirm", title: "Confirm", view: "weed", aside: true, about: "What would go out by what was decided about pictures like it" },
  { name: "suspects", title: "Suspects", view: "single", about: "Pictures that a check found fault with, the surest first" },
  { name: "labels", title: "Labels", view: "single", about: "Pictures that look like another label" },
  { name: "duplicates", title: "Copies", view: "pair", about: "Copies of one picture, and pictures under several labels" },
  { name: "similar", title: "More like this", view: "grid", aside: true, about: "What looks most like a picture, under any label" },
  { name: "grid", title: "Grid", view: "grid", about: "Many at once: quick when few are bad" },
  { name: "second", title: "Second look", view: "single", about: "Marked unsure, or decided in a hurry" },
  { name: "trash", title: "Set aside", view: "grid", about: "What is out of the set, to take things back" },
  { name: "audit", title: "Audit", view: "audit", about: "How much noise is left" },
  { name: "overview", title: "Overview", view: "overview", about: "All labels in numbers, and finishing" },
];

export const modeOf = (name) => MODES.find((mode) => mode.name === name) ?? MODES[0];

/** The modes that have a tab of their own at all times; the others are opened from them. */
export const isShown = ({ aside = false }) => !aside;

const UNCERTAIN_FROM = 0.1;  // and to 1 less this

const HURRIED_MS = 150;  // sooner than this nobody has seen the picture

/** Rows that a mode is about, whatever the filter says; in row order. */
export function belongs(mode, store, row) {
  const { listing, marks } = store;
  if (mode === "suspects") return isSuspect(store, row);
  if (mode === "uncertain") return Math.abs((store.learnt?.get(row) ?? 1) - 0.5) <= 0.5 - UNCERTAIN_FROM;
  if (mode === "labels") return isSuspect(store, row) && listing.suggested[row] >= 0;
  if (mode === "duplicates") return listing.isCopy(row);
  if (mode === "second") return marks.unsure[row] === 1 || store.hurried?.has(row);
  if (mode === "trash") return !store.kept(row);
  return mode === "grid" && (store.kept(row) || (isSuspect(store, row) && store.waits(row)));
}

/** Whether a check found fault with a picture, or with the copy that it stands in for. */
const isSuspect = (store, row) => store.listing.isSuspect(row) || (store.listing.isCopy(row) && store.waits(row));

/** Whether a person has to say which file is the better one, or under which label a picture belongs. */
function isChoice(store, row) {
  const reason = store.waits(row) ? store.outcome(row).reason : "";
  return reason.startsWith("dup.") || reason === "bad.conflict";
}

/** Whether a row still waits for a person in this mode; what is marked unsure waits in the second look only. */
export function isOpen(mode, store, row) {
  if (mode === "second") return belongs(mode, store, row);
  if (mode === "suspects" || mode === "labels") return store.waits(row) && !store.marks.unsure[row];
  return !store.decided(row) && !store.marks.unsure[row];
}

export const isHurried = (dwell) => dwell > 0 && dwell < HURRIED_MS;

/** @param {{label: number, reason: string, provider: number, state: string}} filter  -1 and "" let everything through */
export function passes(filter, store, row) {
  if (filter.label >= 0 && store.labelOf(row) !== filter.label) return false;
  if (filter.provider >= 0 && store.listing.provider[row] !== filter.provider) return false;
  if (filter.reason && reasonShown(store, row) !== filter.reason) return false;
  if (filter.found && !filter.found.has(row)) return false;
  if (filter.state === "open") return !store.decided(row);
  if (filter.state === "decided") return store.decided(row);
  return true;
}

export function reasonShown(store, row) {
  return store.rejected(row) ? store.reasonOut(row) : store.listing.reason(row);
}

/** `found` holds the rows that the words name, null without words. */
export const NO_FILTER = { label: -1, reason: "", provider: -1, state: "", words: "", found: null };

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
  if (mode === "uncertain") return rows.sort((a, b) => doubt(store, a) - doubt(store, b) || a - b);
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

const doubt = (store, row) => Math.abs((store.learnt.get(row) ?? 1) - 0.5);

/** What a person set aside first, then what the machine did; by reason. */
function setAsideRank(store, row) {
  const byPerson = store.rejected(row) ? 0 : 1000;
  return byPerson + store.listing.reasonNumber[row];
}

/** Suspects first, then what is out for good, then the rest; within each the likeliest wrong. */
function worstFirst(listing, rows) {
  const quiet = (row) => (listing.isSuspect(row) ? 0 : listing.verdict(row) === "r" ? 2 : 4);
  return new Map(rows.map((row) => [row, quiet(row) - listing.probability[row]]));
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

/** A group waits for a person while there is a choice between its files; a suspect with copies waits once, as a suspect. */
export function groupIsOpen(store, group) {
  return store.listing.members[group].some((row) => isChoice(store, row));
}

/** How many wait in each mode, all filters off. */
export function openCounts(store) {
  const counts = { suspects: 0, labels: 0, duplicates: 0, second: 0, trash: 0 };
  for (let row = 0; row < store.listing.rows; row++) {
    if (store.waits(row)) counts.suspects++;  // the number of all reports; what is marked unsure is among them
    if (belongs("labels", store, row) && isOpen("labels", store, row)) counts.labels++;
    if (belongs("second", store, row)) counts.second++;
    if (!store.kept(row)) counts.trash++;
  }
  for (let group = 0; group < store.listing.groupCount; group++) counts.duplicates += groupIsOpen(store, group);
  return counts;
}

/**
 * Where the pictures are, label by label, in all, and why those are out that are: all harvested pictures, those kept in the
 * set under a label with those moved in, suspects waiting, decided by a person, out, moved away.
 */
export function countPictures(store) {
  const { listing, marks } = store;
  const rows = store.labels.map(() => ({ all: 0, kept: 0, in: 0, waiting: 0, decided: 0, out: 0, moved: 0 }));
  const reasons = new Map();
  for (let row = 0; row < listing.rows; row++) {
    const home = rows[listing.label[row]], { placed, by, reason } = store.outcome(row);
    home.all++;
    home.decided += marks.action[row] !== NONE;
    home.waiting += by === "suspect";
    if (placed === listing.label[row]) home.kept++;
    else if (placed !== OUT) { home.moved++; rows[placed].in++; rows[placed].kept++; }
    else {
      home.out++;
      const one = reasons.get(reason) ?? { machine: 0, person: 0 };
      one[by === "person" ? "person" : "machine"]++;
      reasons.set(reason, one);
    }
  }
  const empty = { all: 0, kept: 0, in: 0, waiting: 0, decided: 0, out: 0, moved: 0 };
  const total = rows.reduce((sum, row) => Object.fromEntries(Object.keys(sum).map((key) => [key, sum[key] + row[key]])), empty);
  return { rows, total, reasons };
}
