// The chat page. Receives its chat by server-sent events, acts by POST. Whatever people or the bot wrote reaches the
// document as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
let number = Math.max(1, Number.parseInt(query.get("person"), 10) || 1);
const languages = [...$("language").options].map((option) => option.value);
const store = {
  get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* the choice lasts as long as the page */ } },
};

let ended = false;
let offer = { people: [], file_bytes: 0, samples: [] };

/** An element with properties and children; strings become text. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const [svg, use] = [document.createElementNS(space, "svg"), document.createElementNS(space, "use")];
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const clock = (date) => new Date(date * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
// In the units of the bot, which rounds down.
const size = (bytes) => bytes < 2 ** 20 ? `${Math.max(1, Math.floor(bytes / 2 ** 10))} KB` : `${Math.floor(bytes / 2 ** 20)} MB`;

/* Theme: the system's until the user chooses. */

const dark = matchMedia("(prefers-color-scheme: dark)");
function theme() {
  document.documentElement.dataset.theme = store.get("theme") ?? (dark.matches ? "dark" : "light");
}
dark.addEventListener("change", theme);
$("theme").addEventListener("click", () => {
  store.set("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  theme();
});
theme();

/* Language. */

const language = $("language");
const wanted = [query.get("language"), store.get(`language-${number}`), navigator.language.slice(0, 2), "en"];
language.value = wanted.find((code) => languages.includes(code));
language.addEventListener("change", () => {
  store.set(`language-${number}`, language.value);
  showSamples();
  // The menu of commands comes in the person's language.
  events?.close();
  events = null;
  connect();
});

/* Toasts, and texts for screen readers. */

let toastEnds = 0;
function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => { $("toast").textContent = ""; }, 5000);
}

function announce(text) {
  $("announcer").textContent = text;
}

/* Acting. */

/** What the server says, `true` when it has nothing to say, `false` when it refuses. */
async function post(path, body, type = "application/json") {
  try {
    const answer = await fetch(`people/${number}/${language.value}/${path}`, {
      method: "POST", headers: { "Content-Type": type }, body: type === "application/json" ? JSON.stringify(body) : body,
    });
    if (answer.ok) return answer.status === 204 ? true : await answer.json();
    if (answer.status === 413) toast(`A file may have up to ${size(offer.file_bytes)}.`);
    else toast((await answer.text()) || "This did not work.");
  } catch {
    toast("The playground does not answer. Is it still running?");
    probe();
  }
  return false;
}

async function sendFile(file) {
  if (file.size > offer.file_bytes) return toast(`${file.name} is too large: up to ${size(offer.file_bytes)}.`);
  const seconds = await lengthOf(file);
  const type = file.type || "application/octet-stream";
  await post(`file/${seconds}/${encodeURIComponent(file.name || "file")}`, file, type);
  toEnd();
}

/** Whole seconds as the browser reads them, 0 when it cannot. */
function lengthOf(file) {
  if (!/^(audio|video)\//.test(file.type)) return 0;
  return new Promise((resolve) => {
    const url = URL.createObjectURL(file);
    const probe = new Audio();
    const done = (seconds) => { URL.revokeObjectURL(url); resolve(Number.isFinite(seconds) ? Math.round(seconds) : 0); };
    probe.preload = "metadata";
    probe.onloadedmetadata = () => done(probe.duration);
    probe.onerror = () => done(0);
    setTimeout(() => done(0), 3000);
    probe.src = url;
  });
}

/* Messages. */

const shown = new Map(); // id -> { message, element }
const list = $("messages");
const chat = $("chat");
const atEnd = () => chat.scrollHeight - chat.scrollTop - chat.clientHeight < 80;
function toEnd() {
  chat.scrollTop = chat.scrollHeight;
}
chat.addEventListener("scroll", () => { $("to-end").hidden = atEnd(); }, { passive: true });
$("to-end").addEventListener("click", toEnd);
new ResizeObserver(() => { if (!$("to-end").hidden) return; toEnd(); }).observe(chat);

/** To the newest message; a longer one than fits is shown from its top. */
function follow(changed) {
  const last = changed.findLast(({ mine }) => !mine);
  const element = last && shown.get(last.id)?.element;
  if (element && element.offsetHeight > chat.clientHeight - 24) {
    chat.scrollTop += element.getBoundingClientRect().top - chat.getBoundingClientRect().top - 8;
  } else {
    toEnd();
  }
}

function receive({ fresh, messages, gone, menu: commands }) {
  const stay = !fresh && !atEnd();
  if (fresh) {
    shown.clear();
    list.replaceChildren();
  }
  for (const id of gone) {
    shown.get(id)?.element.remove();
    shown.delete(id);
  }
  for (const message of messages) put(message, fresh);
  group();
  if (commands) menu(commands);
  $("empty").hidden = shown.size > 0;
  if (fresh) toEnd();
  else if (!stay) follow(messages);
  $("to-end").hidden = atEnd();
}

function put(message, fresh) {
  const before = shown.get(message.id);
  const element = draw(message);
  if (before) {
    // The focus stays on the button that it was on.
    const focused = before.element.contains(document.activeElement) ? document.activeElement.dataset.data : null;
    before.element.replaceWith(element);
    if (focused) [...element.querySelectorAll("button")].find((button) => button.dataset.data === focused)?.focus();
  } else {
    const later = [...shown.keys()].filter((id) => id > message.id);
    list.insertBefore(element, later.length ? shown.get(Math.min(...later)).element : null);
    element.classList.toggle("new", !fresh);
  }
  shown.set(message.id, { message, element });
  // A percentage that moves is not read aloud; a new stage is. It is told by the sign after the line that names a sender.
  const sign = (text) => [...(text ?? "").replace(/^👤[^\n]*\n+/u, "")][0];
  const stage = !before || sign(before.message.text) !== sign(message.text);
  if (!fresh && !message.mine && stage) announce(message.text ?? message.file?.name ?? "");
  if (!fresh && message.reaction && message.reaction !== before?.message.reaction) announce(`Stenobot reacts: ${message.reaction}`);
}

/** Bubbles of one author in a row belong together, and each day has a heading. */
function group() {
  for (const day of list.querySelectorAll(".day")) day.remove();
  const all = [...shown.values()].sort((a, b) => a.message.id - b.message.id);
  const dayOf = (entry) => entry && new Date(entry.message.date * 1000).toDateString();
  all.forEach((entry, index) => {
    const [before, after] = [all[index - 1], all[index + 1]];
    const newDay = dayOf(before) !== dayOf(entry);
    entry.element.classList.toggle("first", newDay || before.message.mine !== entry.message.mine);
    entry.element.classList.toggle("last", after?.message.mine !== entry.message.mine);
    if (newDay) {
      const today = dayOf(entry) === new Date().toDateString();
      const text = today ? "Today" : new Date(entry.message.date * 1000).toLocaleDateString([], { day: "numeric", month: "long" });
      list.insertBefore(make("li", { className: "day" }, make("span", {}, text)), entry.element);
    }
  });
}

function draw(message) {
  const bubble = make("div", { className: "bubble" });
  const meta = (message.edited ? "edited " : "") + clock(message.date);
  if (message.quote) bubble.append(quote(message.quote));
  if (message.file) bubble.append(file(message, message.file));
  if (message.text !== null) {
    const text = underline(make("p", { className: "text", dir: "auto" }, ...spoken(marked(message))));
    text.dataset.meta = meta;
    bubble.append(text);
  }
  if (message.reaction) {
    const reaction = make("span", { className: "reaction", role: "img" }, message.reaction);
    reaction.setAttribute("aria-label", `Reaction of Stenobot: ${message.reaction}`);
    bubble.append(reaction);
  }
  bubble.append(make("span", { className: "meta" }, meta));
  if (number === offer.partner) {
    const remove = make("button", { type: "button", className: "command remove" }, "Delete");
    remove.addEventListener("click", () => post("delete", { message: message.id }));
    bubble.append(remove);
  }
  if (message.buttons.length) bubble.classList.add("has-buttons");
  return make("li", { className: message.mine ? "message mine" : "message" },
    make("span", { className: "unseen" }, message.mine ? "You:" : "Stenobot:"),
    make("div", { className: "stack" }, bubble, message.buttons.length ? buttons(message) : null));
}

/** A message in whose text characters of the private use area stand around underlined words, so that pieces of it keep them. */
function marked(message) {
  const before = (at) => 2 * message.underlined.filter(([start]) => start < at).length;
  const moved = (range) => range && [range[0] + before(range[0]), range[1] + before(range[1]), ...range.slice(2)];
  const text = message.underlined.reduceRight(
    (text, [start, end]) => `${text.slice(0, start)}\uE000${text.slice(start, end)}\uE001${text.slice(end)}`, message.text);
  return { ...message, text, folded: moved(message.folded), time: moved(message.time) };
}

/** Puts underlined words in place of such characters. */
function underline(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const pieces = node.data.split(/\uE000([^\uE001]*)\uE001/u);
    if (pieces.length > 1) node.replaceWith(...pieces.map((piece, index) => (index % 2 ? make("u", {}, piece) : piece)));
  }
  return element;
}

/** A text in pieces: the bot's own words in the user's language, a transcript in one that the page does not know. */
function spoken({ id, mine, text, folded, quote, time }) {
  if (folded) {
    const [start, end] = folded;
    const before = spoken({ mine, text: text.slice(0, start).trimEnd(), time });
    return [...before, fold(id, timed(text.slice(start, end), quote)), text.slice(end).trimStart()];
  }
  if (time) {
    const [start, end, seconds] = time;
    const rest = text.slice(end);
    // A text without the bot's own words comes after an empty line.
    const below = /^\s*\n\n/u.test(rest) ? timed(rest, quote) : ["\n", ...spoken({ mine, text: rest.trimStart(), quote })];
    return [make("span", { lang: language.value }, ...linked(text.slice(0, start)), localTime(seconds)), ...below];
  }
  const cut = !mine && /^(👤[^\n]*\n)?[✅⏹🔄]|^👤[^\n]*\n\n/u.test(text) ? text.indexOf("\n\n") : -1;
  const own = make("span", { lang: language.value }, ...linked(cut < 0 ? text : text.slice(0, cut)));
  return cut < 0 ? [own] : [own, ...timed(text.slice(cut), quote)];
}

/** The times at which paragraphs begin, as buttons that play the quoted recording from there. */
function timed(text, quote) {
  if (!["voice", "audio"].includes(quote?.file?.kind)) return [text];
  return text.split(/((?<=^|\n\n)(?:\d+:)?\d{1,2}:\d\d(?= ))/u).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const button = make("button", { type: "button", className: "time", title: "Play from here" }, piece);
    button.addEventListener("click", () => play(quote.id, piece.split(":").reduce((sum, part) => 60 * sum + Number(part), 0)));
    return button;
  });
}

/** Date and time, short, in the zone of the browser. */
function localTime(seconds) {
  const date = new Date(seconds * 1000);
  const shown = date.toLocaleString(language.value, { dateStyle: "short", timeStyle: "short" });
  return make("time", { dateTime: date.toISOString() }, shown);
}

const opened = new Set(); // ids of messages whose quotations are open

/** A quotation of at most three lines that a click opens and closes. */
function fold(id, pieces) {
  const words = make("span", { className: "words" }, make("span", {}, ...pieces));
  const button = make("button", { type: "button", className: "fold-toggle" });
  const quotation = make("span", { className: "fold" }, words, button);
  const show = () => {
    quotation.classList.toggle("open", opened.has(id));
    button.setAttribute("aria-expanded", opened.has(id));
    button.textContent = opened.has(id) ? "Show less" : "Show all";
    // The focus would move to what cannot be seen.
    for (const time of words.querySelectorAll(".time")) time.tabIndex = opened.has(id) ? 0 : -1;
  };
  button.addEventListener("click", () => {
    if (!opened.delete(id)) opened.add(id);
    show();
  });
  show();
  // What fits into three lines has nothing to open.
  requestAnimationFrame(() => { button.hidden = !opened.has(id) && words.scrollHeight <= words.clientHeight + 1; });
  return quotation;
}

/** Commands in a text, as buttons that send them. Recognised as Telegram does. */
function linked(text) {
  return text.split(/((?<![\p{L}\p{N}_/@])\/[A-Za-z0-9_]+)/u).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const button = make("button", { type: "button", className: "command" }, piece);
    button.addEventListener("click", () => sendText(piece));
    return button;
  });
}

const kinds = { voice: "Voice message", audio: "Audio file", video: "Video", video_note: "Video message", document: "File" };
const describe = (file) => (file.name ?? kinds[file.kind]) + (file.seconds ? `, ${minutes(file.seconds)}` : "");

function quote({ id, mine, text, file }) {
  const words = file ? describe(file) : text ?? "";
  const button = make("button", { type: "button", className: "quote" },
    make("strong", {}, mine ? offer.people[number - 1] ?? "You" : "Stenobot"), make("span", {}, words));
  button.addEventListener("click", () => {
    const bubble = shown.get(id)?.element.querySelector(".bubble");
    if (!bubble) return;
    bubble.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    bubble.classList.remove("pointed");
    requestAnimationFrame(() => bubble.classList.add("pointed"));
  });
  return button;
}

function file(message, { kind, name, seconds, bytes }) {
  const href = `people/${number}/files/${message.id}`;
  const alone = message.text === null ? " alone" : "";
  if (kind === "voice" || kind === "audio") return player(message.id, href, kind, name, seconds, alone);
  const facts = [bytes === null ? kinds[kind] : size(bytes), seconds ? minutes(seconds) : null].filter(Boolean).join(", ");
  return make("a", { className: `file${alone}`, href, download: name ?? kind },
    make("span", { className: "round" }, icon(message.mine ? "file" : "down")),
    make("span", { className: "about" }, make("div", { className: "name" }, name ?? kinds[kind]), make("small", {}, facts)));
}

/* Listening to what was sent: one at a time. */

const audio = new Audio();
audio.preload = "none";
let playing = null; // id of the message

/** Plays the recording of a message: from a second, or from where it stopped. From memory, since files are served as a whole only. */
async function play(id, from = null) {
  try {
    if (playing !== id) {
      audio.pause();
      playing = id;
      const recording = await (await fetch(`people/${number}/files/${id}`)).blob();
      if (playing !== id) return;
      URL.revokeObjectURL(audio.src);
      audio.src = URL.createObjectURL(recording);
    }
    if (from !== null) audio.currentTime = from;
    await audio.play();
  } catch (error) {
    // Paused, or another recording was chosen, before it began.
    if (error.name === "AbortError") return;
    playing = null;
    toast("The browser cannot play this.");
  }
}

const BARS = 34;
const waves = new Map(); // message id -> promise of its bars, each from 0 to 1

/** Loudness over time, from the decoded sound; flat where the browser cannot decode it. */
function peaks(id, href) {
  if (!waves.has(id)) waves.set(id, loudness(href).catch(() => new Array(BARS).fill(0)));
  return waves.get(id);
}

async function loudness(href) {
  const answer = await fetch(href);
  const decoder = new OfflineAudioContext(1, 1, 8000);
  const samples = (await decoder.decodeAudioData(await answer.arrayBuffer())).getChannelData(0);
  const bars = Array.from({ length: BARS }, (_, index) => {
    const from = Math.floor(index * samples.length / BARS);
    const to = Math.max(from + 1, Math.floor((index + 1) * samples.length / BARS));
    let sum = 0;
    for (let at = from; at < to; at++) sum += samples[at] ** 2;
    return Math.sqrt(sum / (to - from));
  });
  const loudest = Math.max(...bars);
  return bars.map((bar) => loudest > 0 ? bar / loudest : 0);
}

// A recording is decoded when its message is first in view.
const seen = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    seen.unobserve(target);
    target.peaks();
  }
});

function player(id, href, kind, name, seconds, alone) {
  const button = make("button", { type: "button", className: "round" }, icon("play"));
  button.setAttribute("aria-label", `Play: ${name ?? kinds[kind]}, ${minutes(seconds)}`);
  button.addEventListener("click", () => {
    if (playing === id && !audio.paused) audio.pause();
    else play(id);
  });
  const wave = make("div", { className: "wave", ariaHidden: "true" });
  const bars = Array.from({ length: BARS }, () => make("i"));
  wave.append(...bars);
  if (kind === "voice") {
    wave.peaks = () => peaks(id, href).then((heights) => heights.forEach((height, index) => {
      bars[index].style.height = `${3 + 19 * height}px`;
    }));
    seen.observe(wave);
  }
  const head = kind === "voice" ? wave : make("div", { className: "name" }, name ?? kinds[kind]);
  const about = make("div", { className: "about" }, head, make("small", {}, seconds ? minutes(seconds) : kinds[kind]));
  return make("div", { className: `file${alone}` }, button, about);
}

function showPlaying() {
  for (const { element, message } of shown.values()) {
    const button = element.querySelector("button.round");
    if (!button) continue;
    const own = playing === message.id;
    button.replaceChildren(icon(own && !audio.paused ? "pause" : "play"));
    const done = own && audio.duration ? audio.currentTime / audio.duration : 0;
    const bars = [...element.querySelectorAll(".wave i")];
    bars.forEach((bar, index) => bar.classList.toggle("past", index < done * bars.length));
  }
}
for (const event of ["play", "pause", "ended", "timeupdate"]) audio.addEventListener(event, showPlaying);

/* Buttons below messages, and the menu of commands. */

function buttons(message) {
  const rows = message.buttons.map((row) => make("div", { className: "row" }, ...row.map(({ label, data, copies }) => {
    const button = make("button", { type: "button", disabled: data === null && copies === null }, label);
    button.dataset.data = data ?? label;
    button.addEventListener("click", async () => {
      if (copies !== null) {
        await navigator.clipboard.writeText(copies).then(() => toast("Copied"), () => toast("The browser does not allow to copy."));
        return;
      }
      button.setAttribute("aria-busy", "true");
      const answer = await post("press", { message: message.id, data });
      if (answer?.text && answer.alert) alert(answer.text);
      else if (answer?.text) toast(answer.text);
      button.removeAttribute("aria-busy");
    });
    return button;
  })));
  const group = make("div", { className: "buttons", role: "group" }, ...rows);
  group.setAttribute("aria-label", `Buttons of: ${(message.text ?? message.file?.name ?? "message").split("\n")[0]}`);
  return group;
}

function menu(commands) {
  $("commands-button").hidden = commands.length === 0;
  $("commands").replaceChildren(...commands.map(({ command, description }) => {
    const entry = make("button", { type: "button", tabIndex: -1 }, make("b", {}, `/${command}`), make("span", { lang: language.value }, description));
    entry.setAttribute("role", "menuitem");
    entry.addEventListener("click", () => {
      $("commands").hidePopover();
      sendText(`/${command}`);
      $("text").focus();
    });
    return entry;
  }));
}
$("commands").addEventListener("toggle", (event) => {
  if (event.newState === "open") $("commands").querySelector("button")?.focus();
});
$("commands").addEventListener("keydown", (event) => {
  if (event.key === "Tab") $("commands").hidePopover();
  else move(event, [...$("commands").children]);
});

/** Moves the focus among elements by the arrow keys, Home and End. */
function move(event, elements) {
  const at = elements.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined || elements.length === 0) return;
  event.preventDefault();
  elements.at(to % elements.length).focus();
}

/* Writing. */

const text = $("text");
function composing() {
  const empty = text.value.trim() === "";
  $("send").hidden = empty;
  $("record").hidden = !empty;
}
text.addEventListener("input", composing);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  composing();
  if (!(await sendText(words))) {
    text.value = words;
    composing();
  }
});
async function sendText(words) {
  const sent = await post("text", { text: words });
  toEnd();
  return sent;
}

/* Files. */

$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => {
  const files = [...$("file").files];
  $("file").value = "";
  for (const one of files) await sendFile(one);
});
let over = 0;
addEventListener("dragenter", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  over += 1;
  $("drop").hidden = false;
});
addEventListener("dragleave", () => {
  over = Math.max(0, over - 1);
  $("drop").hidden = over === 0;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  over = 0;
  $("drop").hidden = true;
  for (const one of event.dataTransfer.files) await sendFile(one);
});

/* Speaking. */

const formats = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const longest = 600; // seconds of one recording
let recorder = null;
$("record").addEventListener("click", async () => {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    return toast("There is no microphone here, or it is not allowed.");
  }
  const pieces = [];
  const began = performance.now();
  const length = () => (performance.now() - began) / 1000;
  recorder = new MediaRecorder(stream, { mimeType: formats.find((format) => MediaRecorder.isTypeSupported(format)) });
  const ticking = setInterval(() => {
    $("clock").textContent = minutes(length());
    if (length() >= longest) endRecording(true);
  }, 250);
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.onstop = async () => {
    clearInterval(ticking);
    for (const track of stream.getTracks()) track.stop();
    const { kept, mimeType } = recorder;
    const seconds = Math.max(1, Math.round(length()));
    recorder = null;
    $("recording").hidden = true;
    $("typing").hidden = false;
    $("record").focus();
    if (kept) await post(`voice/${seconds}`, new Blob(pieces), mimeType.split(";")[0] || "audio/webm");
    toEnd();
  };
  recorder.start();
  $("clock").textContent = "0:00";
  $("typing").hidden = true;
  $("recording").hidden = false;
  $("finish").focus();
});
function endRecording(kept) {
  if (recorder?.state !== "recording") return;
  recorder.kept = kept;
  recorder.stop();
}
$("finish").addEventListener("click", () => endRecording(true));
$("discard").addEventListener("click", () => endRecording(false));

/* The side. */

const side = $("side");
function openSide(open) {
  side.classList.toggle("open", open);
  $("open-side").setAttribute("aria-expanded", String(open));
  if (open) $("close-side").focus();
  else if (side.contains(document.activeElement)) $("open-side").focus();
}
$("open-side").addEventListener("click", () => openSide(true));
$("close-side").addEventListener("click", () => openSide(false));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (recorder) endRecording(false);
  else if (side.classList.contains("open")) openSide(false);
});

async function sendSample(sample) {
  openSide(false);
  // The answer appears there.
  chat.focus();
  await post("sample", { name: sample.name });
  toEnd();
}

function showOffer() {
  const name = offer.people[number - 1] ?? `person ${number}`;
  $("you").textContent = `${name}, person ${number}`;
  $("avatar").textContent = name[0];
  const hue = (person) => String((person * 67 + 190) % 360);
  document.querySelector(".you").style.setProperty("--hue", hue(number));
  document.title = `${name} - Stenobot playground`;
  // One writes to the first one's own account, to which the bot is connected; one in a group.
  const [isPartner, isGroup] = [number === offer.partner, number === offer.group];
  const owner = offer.people[0];
  $("another").href = `?person=${isPartner || isGroup ? 1 : number % (offer.partner - 1) + 1}`;
  $("partner").href = `?person=${offer.partner}`;
  $("partner").hidden = isPartner;
  $("group").href = `?person=${offer.group}`;
  $("group").hidden = isGroup;
  const [strong, hint] = $("empty").querySelectorAll("strong, p + p");
  const other = document.querySelector("main .avatar");
  if (isPartner) {
    $("another").lastChild.textContent = `Open ${owner}'s chat with the bot`;
    document.querySelector(".title h1").textContent = `${owner} (own account)`;
    strong.textContent = `Send ${owner} something to listen to.`;
    hint.textContent = `Its text appears in ${owner}'s chat with the bot, and nothing here.`;
    other.textContent = owner[0];
    other.classList.remove("bot");
    other.style.setProperty("--hue", hue(1));
  } else if (isGroup) {
    document.querySelector(".title h1").textContent = "Friends (group)";
    strong.textContent = "Switch the bot on.";
    hint.textContent = "Then the text of every recording follows here, and a reaction on the recording shows its state.";
    $("try").textContent = "Send /auto on";
  }
  $("samples-title").hidden = offer.samples.length === 0;
  $("try").hidden = offer.samples.length === 0 && !isGroup;
  showSamples();
}

/** Those in the person's own language first. */
function showSamples() {
  const tongue = new Intl.DisplayNames(["en"], { type: "language" });
  const own = (sample) => sample.language === language.value ? 0 : 1;
  const sorted = offer.samples.toSorted((one, other) => own(one) - own(other));
  $("samples").replaceChildren(...sorted.map((sample) => {
    const button = make("button", { type: "button", tabIndex: -1, disabled: ended },
      make("span", { className: "badge" }, sample.language), make("span", { className: "name" }, tongue.of(sample.language)),
      make("span", { className: "length" }, minutes(sample.seconds)), make("span", { className: "text", lang: sample.language }, sample.text));
    button.dataset.name = sample.name;
    button.title = sample.text;
    button.addEventListener("click", () => sendSample(sample));
    button.addEventListener("focus", () => {
      for (const other of $("samples").children) other.tabIndex = other === button ? 0 : -1;
    });
    return button;
  }));
  // One stop of the Tab key; the arrow keys go from one to the next.
  if ($("samples").firstChild) $("samples").firstChild.tabIndex = 0;
}
$("samples").addEventListener("keydown", (event) => move(event, [...$("samples").children]));
$("try").addEventListener("click", () => {
  if (number === offer.group) return sendText("/auto on");
  const own = offer.samples.find((sample) => sample.language === language.value) ?? offer.samples[0];
  sendSample(own);
});

/* The connection. A browser holds few of them to one address, so a page that is not in view closes its own. */

let events = null;
function connect() {
  if (document.hidden || ended) {
    events?.close();
    events = null;
  } else if (!events) {
    events = new EventSource(`people/${number}/${language.value}/chat`);
    events.onopen = () => {
      failures = 0;
      const facts = { [offer.partner]: "the bot is connected", [offer.group]: `${offer.people[number - 1]} and the bot` };
      $("link").textContent = facts[number] ?? "bot";
    };
    events.onmessage = (event) => receive(JSON.parse(event.data));
    events.addEventListener("end", end);
    events.onerror = () => {
      $("link").textContent = "waiting for the playground...";
      probe();
      // Refused for good rather than cut off: try again all the same.
      if (events?.readyState === EventSource.CLOSED) {
        events = null;
        setTimeout(connect, 3000);
      }
    };
  }
}
document.addEventListener("visibilitychange", connect);

/* The end of the playground: it says so, or nothing answers at its address. It never comes back to the same address. */

const maxFailures = 3;
let failures = 0;
let probing = 0;
function probe() {
  clearTimeout(probing);
  if (ended) return;
  fetch("offer", { method: "HEAD" }).then((answer) => answer.status !== 404, () => false).then((runs) => {
    failures = runs ? 0 : failures + 1;
    if (failures >= maxFailures) end();
    else if (!runs) probing = setTimeout(probe, 2000);
  });
}

function end() {
  ended = true;
  events?.close();
  events = null;
  if (recorder) endRecording(false);
  toast("");
  $("link").textContent = "ended";
  $("ended").hidden = false;
  const controls = "#composer button, #composer textarea, #samples button, #empty button, .buttons button, .command, .time, #language";
  for (const control of document.querySelectorAll(controls)) control.disabled = true;
  if (atEnd()) toEnd();
}

menu([]);
fetch("offer").then((answer) => answer.json()).then((given) => {
  offer = given;
  number = Math.min(number, offer.people.length);
  showOffer();
  connect();
}).catch(() => {
  $("link").textContent = "waiting for the playground...";
  probe();
});
