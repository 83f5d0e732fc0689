"use strict";

const study = JSON.parse(document.getElementById("data").textContent);
const place = `retouch-study-${study.study}`;
const steps = study.trials.flatMap((trial, index) => study.questions.map((_, question) => ({ trial, index, question })));
const element = (id) => document.getElementById(id);
const pictureOf = (name) => `data:image/webp;base64,${study.pictures[name]}`;

let state = stored() || { rater: randomName(), name: "", started: new Date().toISOString(), votes: [] };
let shownAt = 0;

function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(place));
    return found && Array.isArray(found.votes) ? found : null;
  } catch {
    return null;
  }
}

function store() {
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch {
    element("warning").textContent =
      "This browser keeps nothing for this page: finish in one go, and save your votes before you close it.";
    element("warning").hidden = false;
  }
}

function show(section) {
  for (const id of ["start", "trial", "end"]) element(id).hidden = id !== section;
}

function next() {
  const step = steps[state.votes.length];
  if (!step) return finish();
  const { trial, index, question } = step;
  show("trial");
  element("bar").max = steps.length;
  element("bar").value = state.votes.length;
  element("place").textContent = `${index + 1} of ${study.trials.length}`;
  element("instruction").textContent = trial.instruction;
  element("question").textContent = study.questions[question];
  restore(trial);
  element("back").disabled = state.votes.length === 0;
  element("instruction").focus({ preventScroll: true });
  shownAt = performance.now();
}

function restore(trial) {
  for (const side of ["source", "left", "right"]) element(side).src = pictureOf(trial[side]);
}

function finish() {
  show("end");
  element("summary").textContent =
    `All ${study.trials.length} comparisons are done. Save your votes and hand the file to whoever asked you.`;
  document.querySelector("#end h1").focus();
}

function choose(choice) {
  const step = steps[state.votes.length];
  if (!step) return;
  const seconds = Math.round((performance.now() - shownAt) / 100) / 10;
  state.votes.push({ code: step.trial.code, question: step.question, choice, seconds });
  store();
  next();
}

function back() {
  if (state.votes.length === 0) return;
  state.votes.pop();
  store();
  next();
}

function save() {
  const told = { format: study.format, study: study.study, ...state, saved: new Date().toISOString() };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
  const who = state.name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || state.rater;
  link.download = `votes-${who}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const keys = { ArrowLeft: "left", 1: "left", ArrowRight: "right", 2: "right", ArrowDown: "same", 0: "same" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || element("large").open) return;
  if (!element("end").hidden && event.key === "Backspace") return back();
  if (element("trial").hidden) return;
  if (keys[event.key]) choose(keys[event.key]);
  else if (event.key === "Backspace") back();
  else if (event.key === "o" || event.key === "O") original(true);
  else return;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key === "o" || event.key === "O") original(false);
});

function original(seen) {
  const step = steps[state.votes.length];
  if (!step) return;
  for (const side of ["left", "right"]) element(side).src = pictureOf(step.trial[seen ? "source" : side]);
}

element("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  state.name = element("name").value.trim();
  store();
  next();
});
for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => choose(button.dataset.choice));
}
for (const button of document.querySelectorAll("[data-enlarge]")) {
  button.addEventListener("click", () => {
    const picture = element(button.dataset.enlarge);
    element("large-picture").src = picture.src;
    element("large-picture").alt = picture.alt;
    element("large").showModal();
  });
}
element("large").addEventListener("click", (event) => {
  if (event.target === element("large")) element("large").close();
});
element("back").addEventListener("click", back);
element("review").addEventListener("click", back);
element("save").addEventListener("click", save);
element("save-early").addEventListener("click", save);

element("count").textContent = study.trials.length === 1 ? "one comparison" : `${study.trials.length} comparisons`;
element("name").value = state.name;
if (state.votes.length > 0) next();
else show("start");
