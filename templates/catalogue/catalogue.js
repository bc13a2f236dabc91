// The page: its address says what is shown, and what is chosen is written into the address. Text of metadata is put in as
// text alone.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const text = (n) => data.texts[n];
const number = (n) => n.toLocaleString("en-GB");
const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? "" : "s"}`;
const WORDS = {
  notebook: "Notebook", sql: "SQL", python_script: "Python script", python_wheel: "Python wheel", spark_jar: "JAR", spark_submit: "Spark submit",
  pipeline: "Pipeline", dbt: "dbt", dbt_platform: "dbt platform", dbt_cloud: "dbt Cloud", run_job: "Run job", condition: "Condition", for_each: "For each",
  dashboard: "Dashboard", alert: "Alert", power_bi: "Power BI", check: "Check of rows", clean_rooms_notebook: "Clean room", ai_function: "AI function",
};
const kindInWords = (kind) => WORDS[kind] || (kind.charAt(0).toUpperCase() + kind.slice(1)).replace(/_/g, " ");
const kindOf = (task) => text(task.kind);
const taskInWords = (task) => kindInWords(kindOf(task)) + (task.repeats == null ? "" : ` · ${kindInWords(text(task.repeats))}`);

// Marks that turn the text around them, and others that nobody sees, are shown as what they are.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const plain = (value) => String(value).replace(HIDDEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const each of children.flat(2)) if (each != null && each !== false) made.append(each instanceof Node ? each : plain(each));
  return made;
}

// ---- What is derived from the data, once ----

const jobs = data.jobs.map((job, n) => {
  const starts = job.starts == null ? null : data.starts[job.starts];
  const tags = [];
  for (let i = 0; i < (job.tags || []).length; i += 2) tags.push([text(job.tags[i]), text(job.tags[i + 1])]);
  return {...job, n, name: text(job.name), tasks: job.tasks || [], starts, tags, isPaused: pausedIn(starts)};
});
const numberOfName = new Map(jobs.map(({name}, n) => [name, n]));
const tables = tablesOf(jobs);
const numberOfTable = new Map(tables.map(({key}, n) => [key, n]));
const tableNamed = (name) => tables[numberOfTable.get(name.replace(/`([^`]*)`/g, "$1").toLowerCase())];
const problems = data.problems;

// The tables that jobs name, each with the [job, task] that write, read and check it, and the jobs that it starts.
function tablesOf(jobs) {
  const found = new Map(), keys = new Map();
  const use = (n, how, who) => {
    // As Unity Catalog compares names; those that are spelt in the same way need no second look.
    if (!keys.has(n)) keys.set(n, text(n).replace(/`([^`]*)`/g, "$1").toLowerCase());
    const key = keys.get(n);
    if (!found.has(key)) found.set(key, {key, name: text(n), writes: [], reads: [], checks: [], starts: []});
    found.get(key)[how].push(who);
  };
  for (const job of jobs) {
    for (const n of job.waits || []) use(n, "starts", [job.n]);
    job.tasks.forEach((task, n) => {
      for (const table of task.writes || []) use(table, "writes", [job.n, n]);
      for (const table of task.reads || []) use(table, kindOf(task) === "check" ? "checks" : "reads", [job.n, n]);
    });
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function pausedIn(starts) {
  return Object.values(starts || {}).some((each) => each && each.pause_status === "PAUSED");
}

function triggerOf({starts, after}) {
  if (after) return "After other modules";
  if (!starts) return "None";
  if (starts.schedule) return "Schedule";
  if (starts.continuous) return "Continuous";
  const {file_arrival: files, table_update: update, table, periodic} = starts.trigger || {};
  return files ? "File arrival" : update || table ? "Table update" : periodic ? "Periodic" : "Other trigger";
}

const tagInWords = ([name, value]) => value ? `${name}: ${value}` : name;
const uniqueIn = (items) => [...new Set(items)];
const FACETS = [
  ["state", "State", (job) => [job.isPaused ? "Paused" : job.starts ? "Active" : "Not scheduled", ...(job.off ? ["Has tasks switched off"] : []), ...(job.exempt ? ["Exempt from a policy"] : [])]],
  ["type", "Task type", (job) => uniqueIn(job.tasks.flatMap((task) => [kindOf(task), ...(task.repeats == null ? [] : [text(task.repeats)])])).map(kindInWords)],
  ["trigger", "Trigger", (job) => [triggerOf(job)]],
  ["owner", "Owner", (job) => [job.owner == null ? "No owner" : text(job.owner)]],
  ["tag", "Tag", (job) => job.tags.filter(([name]) => name !== "owner").map(tagInWords)],
  ["blueprint", "Blueprint", (job) => job.blueprint == null ? [] : [text(job.blueprint)]],
  ["target", "Target", (job) => (job.targets || []).map(text)],
].map(([key, title, valuesOf]) => ({key, title, valuesOf}));

let indexed = null;
// What is looked through, and the values of all filters: made when it is first needed, after the page is there.
function index() {
  if (indexed) return indexed;
  const facets = FACETS.map((facet) => {
    const numbers = new Map();
    const of = jobs.map((job) => facet.valuesOf(job).map((value) => {
      if (!numbers.has(value)) numbers.set(value, numbers.size);
      return numbers.get(value);
    }));
    return {...facet, values: [...numbers.keys()], numbers, of};
  });
  const words = jobs.map((job) => [
    job.about == null ? "" : text(job.about), job.owner == null ? "" : text(job.owner), ...job.tags.flat(), job.blueprint == null ? "" : text(job.blueprint),
    ...job.tasks.flatMap((task) => [text(task.key), ...[...(task.writes || []), ...(task.reads || [])].map(text)]),
  ].join("\n").toLowerCase());
  const names = jobs.map(({name}) => name.toLowerCase());
  indexed = {facets, words, names};
  return indexed;
}

// ---- Where we are: the address ----

let state = {view: "jobs", job: null, task: null, table: null, q: "", filters: {}};

function readAddress() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const steps = path.split("/").map((step) => { try { return decodeURIComponent(step); } catch { return step; } });
  const params = new URLSearchParams(query);
  const filters = {};
  for (const {key} of FACETS) if (params.getAll(key).length) filters[key] = params.getAll(key);
  const view = steps[0] === "tables" || steps[0] === "table" ? "tables" : steps[0] === "problems" ? "problems" : "jobs";
  return {view, job: steps[0] === "job" ? steps[1] || "" : null, task: steps[0] === "job" ? steps[2] || null : null, table: steps[0] === "table" ? steps[1] || "" : null, q: params.get("q") || "", filters};
}

function addressOf(change = {}) {
  const {view, job, task, table, q, filters} = {...state, ...change};
  const path = table != null ? `table/${encodeURIComponent(table)}` : job != null ? `job/${encodeURIComponent(job)}${task ? `/${encodeURIComponent(task)}` : ""}` : view === "jobs" ? "" : view;
  const params = new URLSearchParams();
  if (q) params.set("q", q);
  for (const [key, values] of Object.entries(filters)) for (const value of values) params.append(key, value);
  return `#/${path}${String(params) ? `?${params}` : ""}`;
}
const toJob = (n, task = null) => addressOf({view: "jobs", job: jobs[n].name, task, table: null});
const toTable = (name) => addressOf({view: "tables", job: null, task: null, table: name});

function go(change, {isTyping = false} = {}) {
  const address = addressOf(change);
  if (isTyping) { history.replaceState(null, "", address); update(); } else location.hash = address;
}

function toggleFilter(key, value) {
  const chosen = state.filters[key] || [];
  const values = chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value];
  const filters = {...state.filters, [key]: values};
  if (!values.length) delete filters[key];
  go({filters, view: "jobs", table: null}, {isTyping: true});
}

// ---- Search and filters ----

const tokensOf = (q) => q.toLowerCase().split(/\s+/).filter(Boolean);

// Jobs that have all words, those first whose name begins with one; and how many there would be of each value of a filter.
function search(q, filters) {
  const {facets, words, names} = index(), tokens = tokensOf(q);
  const wanted = facets.map(({key, numbers}) => filters[key] && new Set(filters[key].map((value) => numbers.get(value) ?? -1)));
  const counts = facets.map(({values}) => new Int32Array(values.length));
  const ranks = [[], [], []];
  for (let n = 0; n < jobs.length; n++) {
    if (!tokens.every((token) => names[n].includes(token) || words[n].includes(token))) continue;
    let failed = -1, failures = 0;
    for (let f = 0; f < facets.length && failures < 2; f++) if (wanted[f] && !facets[f].of[n].some((value) => wanted[f].has(value))) { failed = f; failures++; }
    if (failures < 2) for (let f = 0; f < facets.length; f++) if (!failures || failed === f) for (const value of facets[f].of[n]) counts[f][value]++;
    if (!failures) ranks[!tokens.length ? 0 : names[n].startsWith(tokens[0]) ? 0 : tokens.some((token) => names[n].includes(token)) ? 1 : 2].push(n);
  }
  return {found: ranks.flat(), counts};
}

function searchTables(q) {
  const tokens = tokensOf(q);
  return tables.filter(({name}) => tokens.every((token) => name.toLowerCase().includes(token)));
}

function marked(name, q) {
  const low = name.toLowerCase(), spans = [];
  if (low.length !== name.length) return [name];
  for (const token of tokensOf(q)) { const at = low.indexOf(token); if (at >= 0) spans.push([at, at + token.length]); }
  spans.sort((a, b) => a[0] - b[0]);
  const parts = [];
  let end = 0;
  for (const [from, to] of spans) { if (from < end) continue; parts.push(name.slice(end, from), h("mark", {}, name.slice(from, to))); end = to; }
  return [...parts, name.slice(end)].filter((part) => part !== "");
}

// ---- The list: only rows that are seen are there ----

const ROW = 68, list = byId("list");
let shown = {items: [], row: null, current: -1, focused: -1};

function showList(items, row, current) {
  shown = {items, row, current, focused: -1};
  list.scrollTop = Math.min(list.scrollTop, Math.max(0, items.length * ROW - list.clientHeight));
  if (current >= 0) bringIntoSight(current);
  drawList();
}

function bringIntoSight(n) {
  const top = n * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

function drawList() {
  const {items, row, current} = shown;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6), last = Math.min(items.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 6);
  const rows = [];
  for (let n = first; n < last; n++) {
    const link = row(items[n]);
    link.dataset.at = n;
    if (n === current) link.setAttribute("aria-current", "page");
    rows.push(h("li", {"aria-setsize": items.length, "aria-posinset": n + 1, style: `top:${n * ROW}px`}, link));
  }
  list.firstElementChild.replaceChildren(...rows);
  list.firstElementChild.style.height = `${items.length * ROW}px`;
  list.dataset.drawn = `${first}-${last}`;
}

function focusRow(n) {
  if (!shown.items.length) return;
  if (n < 0) { byId("search").focus(); return; }
  const at = Math.min(n, shown.items.length - 1);
  bringIntoSight(at);
  drawList();
  list.querySelector(`[data-at="${at}"]`)?.focus({preventScroll: true});
}

function jobRow(n) {
  const job = jobs[n];
  return h("a", {class: `row${job.isPaused ? " paused" : ""}`, href: toJob(n)},
    h("span", {class: "name"}, h("bdi", {}, marked(job.name, state.q))),
    h("span", {class: "sub"}, job.isPaused ? [h("b", {class: "is-paused"}, "Paused"), " "] : null, job.about != null ? text(job.about) : job.starts || job.after ? sentence(startOf(job)) : "Started by hand or by another job"),
    stripOf(job));
}

// One small bar for each task, in the colour of its kind: the shape of a job at a glance.
function stripOf(job) {
  const kinds = new Map();
  for (const task of job.tasks) kinds.set(kindOf(task), (kinds.get(kindOf(task)) || 0) + 1);
  const bars = job.tasks.length <= 12 ? job.tasks.map((task) => h("i", {class: `kind-${kindOf(task)}`})) : [...kinds].map(([kind, n]) => h("i", {class: `kind-${kind} many`, style: `flex-grow:${n}`}));
  return h("span", {class: "strip", title: count(job.tasks.length, "task")}, h("span", {class: "bars", "aria-hidden": "true"}, bars), h("span", {class: "n"}, number(job.tasks.length), h("span", {class: "hidden"}, " tasks")));
}

function tableRow(table) {
  const jobsOf = (uses) => new Set(uses.map(([n]) => n)).size;
  const said = [[table.writes, "writes it", "write it"], [table.reads, "reads it", "read it"], [table.checks, "checks it", "check it"], [table.starts, "waits for it", "wait for it"]].filter(([uses]) => uses.length);
  return h("a", {class: "row table", href: toTable(table.name)},
    h("span", {class: "name"}, h("bdi", {}, marked(table.name, state.q))),
    h("span", {class: "sub"}, said.map(([uses, one, many]) => `${jobsOf(uses)} ${jobsOf(uses) === 1 ? one : many}`).join(" · ")));
}

// ---- Filters ----

const open = new Set();
function drawFilters(counts) {
  const chosen = Object.values(state.filters).flat().length;
  byId("filter").replaceChildren("Filters", chosen ? h("b", {}, chosen) : "");
  byId("filters").hidden = state.view !== "jobs";
  byId("filter").hidden = state.view !== "jobs";
  const focused = document.activeElement?.closest("#filters")?.contains(document.activeElement) ? document.activeElement.dataset.value : null;
  const groups = index().facets.map((facet, f) => facetGroup(facet, counts[f])).filter(Boolean);
  byId("filters").replaceChildren(h("div", {class: "filters-head"}, h("h2", {}, "Filters"), chosen ? h("button", {type: "button", class: "plain", onclick: () => go({filters: {}}, {isTyping: true})}, "Clear") : null, h("button", {type: "button", class: "plain done", onclick: () => openFilters(false)}, "Done")), ...groups);
  if (focused != null) byId("filters").querySelector(`[data-value="${CSS.escape(focused)}"]`)?.focus();
  byId("chosen").replaceChildren(...(state.view !== "jobs" ? [] : Object.entries(state.filters).flatMap(([key, values]) => values.map((value) =>
    h("button", {type: "button", class: "chip chosen", "aria-label": `Remove the filter ${value}`, onclick: () => toggleFilter(key, value)}, h("bdi", {}, value), h("span", {"aria-hidden": "true"}, " ×"))))));
}

function facetGroup({key, title, values, of}, counts) {
  const chosen = state.filters[key] || [];
  const order = values.map((value, n) => [value, counts[n]]).filter(([value, n]) => n || chosen.includes(value)).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  if (!order.length || (values.length < 2 && of.every((found) => found.length) && !chosen.length)) return null;
  const isOpen = open.has(key), some = isOpen ? order.slice(0, 200) : order.slice(0, 6);
  for (const value of chosen) if (!some.some(([each]) => each === value)) some.push([value, order.find(([each]) => each === value)?.[1] || 0]);
  const most = order[0][1] || 1;
  return h("fieldset", {}, h("legend", {}, title),
    some.map(([value, n]) => h("label", {class: chosen.includes(value) ? "on" : null, style: `--share:${(100 * n / most).toFixed(1)}%`},
      h("input", {type: "checkbox", "data-value": `${key}=${value}`, ...(chosen.includes(value) ? {checked: true} : {}), onchange: () => toggleFilter(key, value)}),
      key === "type" ? h("i", {class: `dot kind-${kindNamed(value)}`}) : null, h("bdi", {class: "value"}, value), h("span", {class: "n"}, number(n)))),
    order.length > 6 ? h("button", {type: "button", class: "plain more", onclick: () => { isOpen ? open.delete(key) : open.add(key); update(); }}, isOpen ? "Show fewer" : order.length > 200 ? `Show 200 of ${number(order.length)}` : `Show all ${number(order.length)}`) : null);
}
const kindNamed = (words) => Object.keys(WORDS).find((kind) => WORDS[kind] === words) || words.toLowerCase().replace(/ /g, "_");

function openFilters(isOpen) {
  document.body.classList.toggle("filters-open", isOpen);
  byId("filter").setAttribute("aria-expanded", isOpen);
  if (!isOpen) byId("filter").focus();
}

// ---- Parts of pages ----

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);
const startOf = (job) => job.after ? `after ${all(job.after.map((n) => jobs[n].name).slice(0, 3))}${job.after.length > 3 ? " and others" : ""}` : startInWords(job.starts);
const section = (title, n, ...content) => h("section", {class: "part"}, h("h2", {}, title, n == null ? null : h("span", {class: "n"}, number(n))), content);
const chip = (label, attributes = {}, tag = "span") => h(tag, {class: "chip", ...attributes}, h("bdi", {}, label));
const filterLink = (key, value, label = value) => chip(label, {href: addressOf({view: "jobs", job: null, task: null, table: null, q: "", filters: {[key]: [value]}}), title: `All jobs with ${value}`}, "a");
const facts = (pairs) => h("dl", {class: "facts"}, pairs.filter(([, value]) => value != null && value !== false).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

// A place as the data has it: an odd number is a line of the job's own file, an even one what is in the list of places.
function placeIn(n, job) {
  if (n % 2) return {path: placeIn(job.at).path, line: (-1 - n) / 2};
  const steps = [], first = (-2 - n) / 2;
  for (let at = first; at >= 0; at = data.places[3 * at]) steps.unshift(text(data.places[3 * at + 1]));
  return {path: steps.join(""), line: data.places[3 * first + 2]};
}

function placeOf(n, job, isShort = false) {
  const {path, line} = placeIn(n, job), isFile = line >= 0;
  const short = isFile ? path.replace(/^.*\//, "") : path.replace(/^.*\]\./, "");
  const words = (isShort ? short : path) + (line > 0 ? `:${line}` : "");
  const shown = h("code", {class: "place", title: isShort ? plain(path) : null}, h("bdi", {}, breakable(words)));
  if (!isFile || !data.source) return shown;
  const written = path.split("/").map(encodeURIComponent).join("/");
  const address = data.source.includes("{path}") ? data.source.replace("{path}", () => written).replace("{line}", () => String(line || 1)) : `${data.source.replace(/\/$/, "")}/${written}${line > 0 ? `#L${line}` : ""}`;
  return outside(address, shown);
}

function outside(address, ...content) {
  return /^https?:\/\//.test(address) ? h("a", {href: address, rel: "noopener noreferrer", target: "_blank"}, content, h("span", {class: "out", "aria-hidden": "true"}, "↗")) : h("span", {}, content);
}

function settingsTable(numbers, caption, job) {
  const rows = [];
  let place = 0;
  for (const n of numbers) {
    if (n < 0) { place = n; continue; }
    const path = text(data.settings[2 * n]), value = text(data.settings[2 * n + 1]);
    rows.push(h("tr", {}, h("th", {scope: "row"}, h("code", {}, breakable(path))), h("td", {}, value.includes("\n") ? h("pre", {}, value) : h("code", {class: "value"}, h("bdi", {}, value === "" ? "“”" : value))), h("td", {class: "origin"}, placeOf(place, job, true))));
  }
  return h("table", {class: "settings"}, h("caption", {class: "hidden"}, caption), h("thead", {class: "hidden"}, h("tr", {}, h("th", {scope: "col"}, "Setting"), h("th", {scope: "col"}, "Value"), h("th", {scope: "col"}, "Written at"))), h("tbody", {}, rows));
}
const breakable = (path) => path.split(/(?<=[.\]/])/).flatMap((part, n) => n ? [h("wbr"), part] : [part]);

function more(title, n, fill) {
  const details = h("details", {class: "more"}, h("summary", {}, title, h("span", {class: "n"}, number(n))));
  details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(fill()); });
  details.fill = () => { if (details.children.length === 1) details.append(fill()); };
  return details;
}

const TIME = {weekday: "short", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23"};
const timeIn = (moment, zone, options = TIME) => formatOf(zone, options).format(moment);
const zoneAt = (moment, zone) => formatOf(zone, {timeZoneName: "longOffset", year: "numeric"}).formatToParts(moment).find(({type}) => type === "timeZoneName").value.replace("GMT", "UTC");

function away(milliseconds) {
  const minutes = Math.round(milliseconds / 60000);
  if (minutes < 60) return `in ${minutes} min`;
  if (minutes < 48 * 60) return `in ${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `in ${Math.round(minutes / 1440)} days`;
}

// ---- A job ----

let graph = null;
function jobPage(job) {
  document.title = `${plain(job.name)} · ${data.title}`;
  // The owner stands below already.
  const tags = job.tags.filter(([name, value]) => name !== "owner" || job.owner == null || value !== text(job.owner));
  const related = problems.filter((each) => each.job === job.n);
  return h("article", {class: "job"},
    h("header", {class: "head"},
      h("a", {class: "back", href: addressOf({job: null, task: null})}, h("span", {"aria-hidden": "true"}, "← "), "All jobs"),
      h("div", {class: "states"}, stateOf(job), (job.targets || []).length ? h("span", {class: "in"}, "in ", job.targets.map((n) => chip(text(n), {class: "chip target"}))) : null),
      h("h1", {tabindex: -1}, h("bdi", {}, job.name)),
      job.about == null ? null : h("p", {class: "about"}, text(job.about)),
      tags.length ? h("div", {class: "tags"}, tags.map((tag) => filterLink("tag", tagInWords(tag)))) : null),
    related.length ? h("div", {class: "notes"}, related.map(problemNote)) : null,
    facts([
      ["Owner", job.owner == null ? h("span", {class: "none"}, "no owner") : filterLink("owner", text(job.owner))],
      ["Starts", sentence(startOf(job))],
      ["Blueprint", job.blueprint == null ? null : filterLink("blueprint", text(job.blueprint))],
      ["Presets", job.presets && job.presets.map((n) => chip(text(n)))],
      ["Written at", placeOf(job.at)],
      ["Job", job.job && outside(job.job[1] || "", job.job[0])],
      ["Switched off", job.off && all(job.off.map(text))],
      ["Exempt", job.exempt && job.exempt.map(exemption)],
    ]),
    graphPart(job),
    startsPart(job),
    section("Tasks", job.tasks.length, h("div", {class: "tasks"}, job.tasks.map((task) => taskPart(job, task)))),
    linksPart(job),
    job.differs ? differencesPart(job) : null,
    section("Settings of the job", null, more("All settings, and where each is written", (job.set || []).filter((n) => n >= 0).length, () => settingsTable(job.set || [], "Settings of the job", job))));
}

function stateOf(job) {
  if (job.isPaused) return chip("Paused", {class: "chip state paused"});
  return job.starts ? chip("Active", {class: "chip state active"}) : chip("Not scheduled", {class: "chip state"});
}

function exemption([policy, until]) {
  const isOver = new Date().toISOString().slice(0, 10) > until;
  return h("span", {class: "exempt"}, chip(text(policy)), h("span", {class: isOver ? "over" : "until"}, isOver ? `ended on ${until}` : `until ${until}`));
}

function graphPart(job) {
  graph = null;
  if (!job.tasks.length) return section("Graph", null, h("p", {class: "empty"}, "This job has no tasks of its own."));
  const tasks = job.tasks.map((task) => ({key: plain(text(task.key)), kind: kindOf(task), words: taskInWords(task), waits: (task.waits || []).map((edge) => [].concat(edge))}));
  graph = drawGraph(tasks, data.layouts[job.layout], (n) => go({task: text(job.tasks[n].key)}));
  const kinds = uniqueIn(tasks.map(({kind}) => kind));
  return section("Graph", null, graph.box, h("p", {class: "legend"}, kinds.map((kind) => h("span", {}, h("i", {class: `dot kind-${kind}`}), kindInWords(kind), " ", h("span", {class: "n"}, tasks.filter((task) => task.kind === kind).length)))));
}

function startsPart(job) {
  const schedule = job.starts?.schedule;
  if (!schedule) return job.starts ? section("What starts it", null, h("p", {}, sentence(startOf(job)), "."), job.isPaused ? h("p", {class: "quiet"}, "It is paused, so nothing does.") : null) : null;
  const cron = String(schedule.quartz_cron_expression), zone = String(schedule.timezone_id || "UTC");
  const head = h("p", {}, h("strong", {}, sentence(startInWords(job.starts))), ` in ${zone}`, " ", h("code", {class: "cron"}, cron), job.isPaused ? h("span", {class: "is-paused"}, " paused: these are the runs if it were not") : null);
  const runs = isZone(zone) ? nextRuns(cron, zone, Date.now(), 5) : null;
  if (!runs) return section("Schedule", null, head, h("p", {class: "quiet"}, isZone(zone) ? "The next runs are known once the bundle's variables are." : "The zone is none that this browser knows, so the next runs are not shown."));
  if (!runs.length) return section("Schedule", null, head, h("p", {class: "quiet"}, "It never starts again."));
  return section("Schedule", null, head, h("div", {class: "scrolls"}, runsTable(runs, zone)), clockNote(zone));
}

function runsTable(runs, zone) {
  // One column does where both would say the same.
  const isUtc = ["UTC", "Etc/UTC", "Z"].includes(zone);
  let before = offsetAt(Date.now(), zone);
  const rows = runs.map(({moment, note}) => {
    const offset = offsetAt(moment, zone), moved = offset - before;
    before = offset;
    const said = note === "skipped" ? "this time is left out: clocks go forward" : note === "twice" ? "this time is there twice: clocks go back" : moved ? `clocks have gone ${moved > 0 ? "forward" : "back"} by ${Math.abs(moved) / 60000} min` : "";
    return h("tr", {}, h("td", {}, timeIn(moment, zone), " ", isUtc ? null : h("span", {class: "quiet"}, zoneAt(moment, zone))), isUtc ? null : h("td", {}, timeIn(moment, "UTC")), h("td", {class: "quiet"}, away(moment - Date.now()), said ? h("span", {class: "clock"}, said) : null));
  });
  return h("table", {class: "runs"}, h("caption", {class: "hidden"}, "The next five runs"), h("thead", {}, h("tr", {}, h("th", {scope: "col"}, zone), isUtc ? null : h("th", {scope: "col"}, "UTC"), h("th", {scope: "col"}, ""))), h("tbody", {}, rows));
}

function clockNote(zone) {
  const change = nextClockChange(zone, Date.now());
  const words = change ? `Clocks in ${zone} go ${change.minutes > 0 ? "forward" : "back"} by ${Math.abs(change.minutes)} minutes on ${timeIn(change.moment, zone, {day: "numeric", month: "long", year: "numeric"})}.` : `Clocks in ${zone} are not changed within a year.`;
  return h("p", {class: "quiet small"}, words);
}

function taskPart(job, task) {
  const key = text(task.key), kind = kindOf(task);
  const details = h("details", {class: `task kind-${kind}`, "data-key": key},
    h("summary", {}, h("i", {class: `dot kind-${kind}`}), h("span", {class: "key"}, h("bdi", {}, key)), h("span", {class: "words"}, taskInWords(task)),
      task.checks ? h("span", {class: "quiet small"}, count(task.checks.length, "rule")) : null, (task.writes || []).map((n) => h("code", {class: "writes"}, h("bdi", {}, `→ ${plain(text(n))}`)))));
  details.fill = () => { if (details.children.length === 1) details.append(taskBody(job, task)); };
  details.addEventListener("toggle", () => { if (details.open) details.fill(); });
  return details;
}

function taskBody(job, task) {
  const named = (n, outcome) => [h("a", {href: toJob(job.n, text(job.tasks[n].key))}, text(job.tasks[n].key)), outcome ? h("span", {class: `outcome outcome-${outcome}`}, outcome) : null, " "];
  const next = job.tasks.filter((other) => (other.waits || []).some((edge) => [].concat(edge)[0] === job.tasks.indexOf(task)));
  const tablesOf = (numbers) => numbers && numbers.map((n) => tableNamed(text(n)) ? chip(text(n), {href: toTable(tableNamed(text(n)).name), class: "chip table"}, "a") : chip(text(n)));
  return h("div", {class: "body"},
    facts([
      ["Written at", placeOf(task.at, job)],
      ["Waits for", task.waits && task.waits.map((edge) => named(...[].concat(edge)))],
      ["Then", next.length ? next.slice(0, 20).map((other) => named(job.tasks.indexOf(other))) : null],
      ["Writes", tablesOf(task.writes)],
      [kindOf(task) === "check" ? "Checks" : "Reads", tablesOf(task.reads)],
    ]),
    task.checks ? h("ul", {class: "checks"}, task.checks.map(([name, what, isError]) => h("li", {}, chip(isError ? "error" : "warn", {class: `chip ${isError ? "bad" : "warn"}`}), name ? h("strong", {}, name) : null, what.includes("\n") ? h("pre", {}, what) : h("code", {}, what)))) : null,
    task.sql == null ? null : h("pre", {class: "sql"}, text(task.sql)),
    task.set ? settingsTable(task.set, `Settings of ${plain(text(task.key))}`, job) : h("p", {class: "empty"}, "No settings."));
}

// ---- Jobs before and behind a job ----

let edges = null;
function edgesOf(n) {
  if (!edges) {
    edges = jobs.map(() => ({before: new Map(), behind: new Map()}));
    const add = (from, to, why) => {
      if (from === to) return;
      for (const [at, way, other] of [[from, "behind", to], [to, "before", from]]) { const found = edges[at][way]; found.set(other, (found.get(other) || new Set()).add(why)); }
    };
    for (const job of jobs) {
      for (const other of job.runs || []) add(job.n, other, "runs it");
      for (const other of job.after || []) add(other, job.n, "starts after it");
    }
    for (const table of tables) {
      const readers = uniqueIn([...table.reads, ...table.starts].map(([reader]) => reader)), writers = uniqueIn(table.writes.map(([writer]) => writer));
      if (readers.length * writers.length <= 20000) for (const writer of writers) for (const reader of readers) add(writer, reader, table.name);
    }
  }
  return edges[n];
}

function linksPart(job) {
  const {before, behind} = edgesOf(job.n);
  if (!before.size && !behind.size) return section("Other jobs", null, h("p", {class: "empty"}, "As far as the metadata says, no other job is before or behind this one."));
  const column = (title, found) => {
    const cards = [...found].map(([other, whys]) => h("a", {class: "card", href: toJob(other)}, h("span", {class: "name"}, h("bdi", {}, jobs[other].name)), h("span", {class: "why"}, [...whys].slice(0, 3).map((why) => chip(why)))));
    const rest = cards.splice(12);
    return h("div", {class: "way"}, h("h3", {}, title, h("span", {class: "n"}, number(found.size))), cards.length ? cards : h("p", {class: "empty"}, "None"), rest.length ? more("Others", rest.length, () => h("div", {class: "rest"}, rest)) : null);
  };
  return section("Other jobs", before.size + behind.size, h("div", {class: "links"}, column("Before it", before), h("div", {class: "self"}, h("span", {}, h("bdi", {}, job.name))), column("Behind it", behind)));
}

function differencesPart(job) {
  const targets = uniqueIn(job.differs.flatMap(([, ...values]) => values.map(([target]) => target)));
  const rows = job.differs.map(([path, ...values]) => { const of = new Map(values); return h("tr", {}, h("th", {scope: "row"}, h("code", {}, breakable(text(path)))), targets.map((target) => h("td", {}, of.get(target) == null ? h("span", {class: "none"}, "not set") : h("code", {class: "value"}, text(of.get(target)))))); });
  return section("Differs between targets", job.differs.length, h("div", {class: "scrolls"}, h("table", {class: "differs"}, h("thead", {}, h("tr", {}, h("th", {scope: "col"}, "Setting"), targets.map((target) => h("th", {scope: "col"}, text(target))))), h("tbody", {}, rows))));
}

// ---- A table, problems, and the first page ----

function tablePage(table) {
  document.title = `${plain(table.name)} · ${data.title}`;
  const column = (title, uses, none) => {
    const of = new Map();
    for (const [job, task] of uses) of.set(job, [...(of.get(job) || []), task]);
    const cards = [...of].map(([job, tasks]) => h("div", {class: "card"}, h("a", {class: "name", href: toJob(job)}, h("bdi", {}, jobs[job].name)), h("span", {class: "why"}, tasks.filter((n) => n != null).slice(0, 8).map((n) => chip(text(jobs[job].tasks[n].key), {href: toJob(job, text(jobs[job].tasks[n].key)), class: `chip task kind-${kindOf(jobs[job].tasks[n])}`}, "a")))));
    const rest = cards.splice(50);
    return section(title, of.size, cards.length ? h("div", {class: "cards"}, cards) : h("p", {class: "empty"}, none), rest.length ? more("Others", rest.length, () => h("div", {class: "cards"}, rest)) : null);
  };
  return h("article", {class: "job"}, h("header", {class: "head"}, h("a", {class: "back", href: addressOf({table: null})}, h("span", {"aria-hidden": "true"}, "← "), "All tables"), h("div", {class: "states"}, chip("Table", {class: "chip state"})), h("h1", {tabindex: -1}, h("bdi", {}, table.name))),
    h("div", {class: "columns"},
      column("Written by", table.writes, "No job says that it writes it: it comes from elsewhere."),
      column("Read by", table.reads, "No job says that it reads it."),
      table.checks.length ? column("Checked by", table.checks, "") : null,
      table.starts.length ? column("Starts", table.starts, "") : null));
}

function tablesPage() {
  document.title = `Tables · ${data.title}`;
  const lonely = [["are written, and no job reads them", tables.filter((table) => table.writes.length && !table.reads.length && !table.starts.length)], ["are read, and no job writes them", tables.filter((table) => !table.writes.length)]];
  const usesOf = (table) => new Set([...table.writes, ...table.reads, ...table.starts].map(([n]) => n)).size;
  const roughly = ({writes, reads, starts}) => writes.length + reads.length + starts.length;
  const top = [...tables].sort((a, b) => roughly(b) - roughly(a)).slice(0, 60).map((table) => [table, usesOf(table)]).sort((a, b) => b[1] - a[1]).slice(0, 12);
  return h("article", {class: "home"}, h("header", {class: "head"}, h("h1", {tabindex: -1}, "Tables"), h("p", {class: "about"}, "What jobs write and read, as far as the metadata names it. What SQL and notebooks do besides is not known.")),
    tables.length ? h("div", {class: "panels", id: "table-panels"},
      section("Used by most jobs", null, bars(top.map(([table, n]) => [table.name, n, null, toTable(table.name)]))),
      section("At the ends", null, lonely.map(([what, found]) => h("div", {class: "ends"}, h("p", {}, h("strong", {}, number(found.length)), ` ${what}`), h("p", {class: "why"}, found.slice(0, 6).map((table) => chip(table.name, {href: toTable(table.name), class: "chip table"}, "a")), found.length > 6 ? h("span", {class: "quiet small"}, `and ${number(found.length - 6)} more`) : null)))))
      : h("p", {class: "empty large"}, "The metadata names no tables yet: give sources a target_config with catalog, schema and table."));
}

// A list of bars, each with words, a number, the kind that it has the colour of, and where it leads.
function bars(rows) {
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return h("ul", {class: "kinds"}, rows.map(([words, n, kind, href]) => h("li", {}, h("a", {href}, h("span", {class: "label", title: plain(words)}, h("bdi", {}, words)), h("span", {class: "track"}, h("i", {class: kind ? `kind-${kind}` : "plain", style: `width:${Math.max(1, 100 * n / most)}%`})), h("span", {class: "n"}, number(n))))));
}

function problemNote(problem) {
  return h("div", {class: `note ${problem.severity}`}, h("p", {}, h("strong", {}, problem.severity === "error" ? "Error" : "Warning"), " ", problem.text), h("p", {class: "small quiet"}, placeOf(problem.at), " · ", h("code", {}, problem.code)));
}

function problemsPage() {
  document.title = `Problems · ${data.title}`;
  const errors = problems.filter(({severity}) => severity === "error");
  const groups = [["Errors", errors, "These modules have no job here. Jobs that are deployed stay as they are."], ["Warnings", problems.filter(({severity}) => severity !== "error"), ""]];
  return h("article", {class: "job"}, h("header", {class: "head"}, h("h1", {tabindex: -1}, "Problems of the metadata")),
    problems.length ? groups.filter(([, found]) => found.length).map(([title, found, about]) => section(title, found.length, about ? h("p", {class: "quiet"}, about) : null, h("div", {class: "notes"}, found.slice(0, 500).map((each) => h("div", {}, each.module ? h("h3", {}, each.job == null ? each.module : h("a", {href: toJob(each.job)}, each.module)) : null, problemNote(each))), found.length > 500 ? h("p", {class: "quiet"}, `... and ${number(found.length - 500)} more; ljm validate lists all of them.`) : null)))
      : h("p", {class: "empty large"}, "Nothing is wrong with the metadata."));
}

function homePage() {
  document.title = data.title;
  const tasks = jobs.reduce((sum, job) => sum + job.tasks.length, 0);
  const figures = [[jobs.length, "job"], [tasks, "task"], [tables.length, "table"], [jobs.filter(({isPaused}) => isPaused).length, "paused", {state: ["Paused"]}], [jobs.filter(({owner}) => owner == null).length, "no owner", {owner: ["No owner"]}]];
  return h("article", {class: "home"}, h("header", {class: "head"}, h("h1", {tabindex: -1}, h("bdi", {}, data.title)), h("p", {class: "about"}, data.target ? `As they are in the target ${plain(data.target)}.` : "Every job that the metadata describes: what it does, when it starts, and what comes before and behind it.")),
    h("ul", {class: "figures"}, figures.filter(([n], at) => n || at < 2).map(([n, noun, filters]) => { const said = [h("strong", {}, number(n)), h("span", {}, filters ? noun : `${noun}${n === 1 ? "" : "s"}`)]; return h("li", {}, filters ? h("a", {href: addressOf({filters, q: "", view: "jobs"})}, said) : said); }),
      problems.length ? h("li", {class: problems.some(({severity}) => severity === "error") ? "bad" : null}, h("a", {href: addressOf({view: "problems"})}, h("strong", {}, number(problems.length)), h("span", {}, problems.length === 1 ? "problem" : "problems"))) : null),
    jobs.length ? h("div", {class: "panels", id: "panels"}) : h("p", {class: "empty large"}, "There are no jobs yet. Write a module, run ", h("code", {}, "ljm validate"), ", and make this page anew."));
}

// What takes longer than the first picture may, of all schedules that there are.
function fillHome() {
  const panels = byId("panels");
  if (!panels) return;
  const now = Date.now(), end = now + DAY_MS, of = new Map();
  for (const job of jobs) {
    const schedule = job.starts?.schedule;
    if (!schedule || job.isPaused) continue;
    const key = JSON.stringify([schedule.quartz_cron_expression, schedule.timezone_id || "UTC"]);
    of.set(key, [...(of.get(key) || []), job.n]);
  }
  const starts = Array(24).fill(0), first = Math.floor(now / 3600000), next = [];
  for (const [key, numbers] of [...of].slice(0, 400)) {
    const [cron, zone] = JSON.parse(key);
    const runs = isZone(zone) ? nextRuns(String(cron), zone, now, 100, end) || [] : [];
    for (const {moment} of runs) starts[Math.min(23, Math.floor(moment / 3600000) - first)] += numbers.length;
    if (runs.length) next.push([runs[0].moment, numbers]);
  }
  next.sort((a, b) => a[0] - b[0]);
  const kinds = new Map();
  for (const job of jobs) for (const task of job.tasks) kinds.set(kindOf(task), (kinds.get(kindOf(task)) || 0) + 1);
  panels.append(
    section("The next 24 hours", null, dayBars(starts, first), next.length ? h("ol", {class: "next"}, next.slice(0, 5).flatMap(([moment, numbers]) => numbers.slice(0, 3).map((n, at) => h("li", {}, h("span", {class: "when"}, timeIn(moment, "UTC", {hour: "2-digit", minute: "2-digit", hourCycle: "h23"}), h("span", {class: "quiet"}, ` ${away(moment - now)}`)), h("a", {href: toJob(n)}, h("bdi", {}, jobs[n].name)), at === 2 && numbers.length > 3 ? h("span", {class: "quiet"}, `and ${number(numbers.length - 3)} more`) : null)))) : h("p", {class: "empty"}, "No schedule starts a job within a day.")),
    section("Tasks by type", null, bars([...kinds].sort((a, b) => b[1] - a[1]).map(([kind, n]) => [kindInWords(kind), n, kind, addressOf({filters: {type: [kindInWords(kind)]}, q: "", view: "jobs"})]))),
    ...["owner", "blueprint", "tag"].map(facetPanel).filter(Boolean).slice(0, 2),
    exemptionsPanel() || "",
  );
}

function facetPanel(key) {
  const {title, values, of} = index().facets.find((facet) => facet.key === key), counts = values.map((value) => [value, 0]);
  for (const found of of) for (const value of found) counts[value][1]++;
  if (counts.length < 2) return null;
  return section(`Jobs by ${title.toLowerCase()}`, null, bars(counts.sort((a, b) => b[1] - a[1]).slice(0, 7).map(([value, n]) => [value, n, null, addressOf({filters: {[key]: [value]}, q: "", view: "jobs"})])));
}

function exemptionsPanel() {
  const found = new Map();
  for (const job of jobs) for (const [policy, until] of job.exempt || []) { const key = JSON.stringify([until, text(policy)]); found.set(key, [...(found.get(key) || []), job.n]); }
  if (!found.size) return null;
  return section("Exemptions from policies", found.size, h("ul", {class: "next dated"}, [...found].sort().slice(0, 6).map(([key, numbers]) => { const [until, policy] = JSON.parse(key); return h("li", {}, h("span", {class: "when"}, until), h("span", {}, policy), numbers.length === 1 ? h("a", {href: toJob(numbers[0])}, jobs[numbers[0]].name) : h("span", {class: "quiet"}, count(numbers.length, "job"))); })));
}

function dayBars(starts, first) {
  const most = Math.max(1, ...starts);
  return h("figure", {class: "day"}, h("div", {class: "bars", role: "img", "aria-label": `Starts in each of the next 24 hours, at most ${most}`}, starts.map((n, at) => h("i", {class: n ? "some" : null, style: `height:${n ? Math.max(6, 100 * n / most) : 2}%`, title: `${two((first + at) % 24)}:00 UTC: ${count(n, "start")}`}))),
    h("figcaption", {}, [0, 6, 12, 18].map((at) => h("span", {}, `${two((first + at) % 24)}:00`)), h("span", {}, "UTC")));
}

// ---- Putting it on the page ----

let drawn = {};
function update() {
  state = readAddress();
  const isTables = state.view === "tables";
  byId("tabs").replaceChildren(...[["jobs", "Jobs", jobs.length], ["tables", "Tables", tables.length], ["problems", "Problems", problems.length]].filter(([view, , n]) => view !== "problems" || n).map(([view, label, n]) =>
    h("a", {href: addressOf({view, job: null, task: null, table: null, q: ""}), "aria-current": state.view === view ? "page" : null, class: view !== "problems" ? null : problems.some(({severity}) => severity === "error") ? "bad" : "warn"}, label, h("span", {class: "n"}, number(n)))));
  const field = byId("search");
  if (field.value !== state.q) field.value = state.q;
  field.placeholder = isTables ? "Search tables" : "Search jobs, tasks, tables, owners";
  field.setAttribute("aria-label", field.placeholder);
  const isDetail = state.job != null || state.table != null || state.view === "problems";
  document.body.classList.toggle("detail", isDetail);
  document.body.classList.toggle("no-filters", state.view !== "jobs");
  if (isTables) updateTables(); else updateJobs();
  updateMain(isDetail);
}

function updateJobs() {
  const {found, counts} = search(state.q, state.filters);
  drawFilters(counts);
  byId("count").textContent = found.length === jobs.length ? count(found.length, "job") : `${number(found.length)} of ${count(jobs.length, "job")}`;
  list.replaceChildren(h("ul", {role: "list", "aria-label": "Jobs"}));
  if (!found.length) list.append(nothingFound(jobs.length ? "No job matches." : "There are no jobs yet."));
  showList(found, jobRow, found.indexOf(numberOfName.get(state.job)));
}

function updateTables() {
  const found = searchTables(state.q);
  drawFilters(index().facets.map(({values}) => new Int32Array(values.length)));
  byId("count").textContent = found.length === tables.length ? count(found.length, "table") : `${number(found.length)} of ${count(tables.length, "table")}`;
  list.replaceChildren(h("ul", {role: "list", "aria-label": "Tables"}));
  if (!found.length) list.append(nothingFound(tables.length ? "No table matches." : "The metadata names no tables: give sources a target_config with catalog, schema and table."));
  showList(found, tableRow, found.findIndex(({name}) => name === state.table));
}

function nothingFound(words) {
  const isNarrowed = state.q || Object.keys(state.filters).length;
  return h("div", {class: "nothing"}, h("p", {}, words), isNarrowed ? h("button", {type: "button", onclick: () => go({q: "", filters: {}}, {isTyping: true})}, "Show all") : null);
}

function updateMain() {
  const key = JSON.stringify([state.view, state.job, state.table]);
  const main = byId("main");
  if (drawn.key !== key) {
    const isFirst = drawn.key === undefined;
    drawn = {key};
    document.body.classList.remove("has-large");
    main.replaceChildren(pageOf());
    main.scrollTop = 0;
    graph?.fit();
    if (!isFirst && (state.job != null || state.table != null || state.view === "problems")) main.querySelector("h1")?.focus({preventScroll: true});
    if (byId("panels")) setTimeout(fillHome, 0);
  }
  showTask();
}

function pageOf() {
  graph = null;
  if (state.view === "problems") return problemsPage();
  if (state.table != null) return tableNamed(state.table) ? tablePage(tableNamed(state.table)) : missing("table", state.table);
  if (state.job != null) return numberOfName.has(state.job) ? jobPage(jobs[numberOfName.get(state.job)]) : missing("job", state.job);
  return state.view === "tables" ? tablesPage() : homePage();
}

function missing(what, name) {
  document.title = data.title;
  return h("article", {class: "job"}, h("h1", {tabindex: -1}, `There is no such ${what}`), h("p", {class: "empty large"}, `“${plain(name)}” is not in this catalogue. It may have been renamed or removed.`));
}

function showTask() {
  const job = jobs[numberOfName.get(state.job)];
  const n = job ? job.tasks.findIndex((task) => text(task.key) === state.task) : -1;
  graph?.pick(n);
  if (n < 0 || drawn.task === state.task) { drawn.task = state.task; return; }
  drawn.task = state.task;
  const details = [...byId("main").querySelectorAll("details.task")][n];
  details.fill();
  details.open = true;
  if (document.body.classList.contains("has-large")) document.querySelector(".graph.large .graph-tools button:last-child").click();
  details.scrollIntoView({block: "center"});
  details.querySelector("summary").focus({preventScroll: true});
}

// ---- Light and dark, keys ----

const THEMES = {system: ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"]};
const remembered = {
  get: () => { try { return localStorage.getItem("ljm-catalogue-theme"); } catch { return null; } },  // a file may have no storage
  set: (theme) => { try { localStorage.setItem("ljm-catalogue-theme", theme); } catch { /* then it is asked again */ } },
};
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").replaceChildren(h("span", {"aria-hidden": "true"}, THEMES[theme][0]));
  byId("theme").setAttribute("aria-label", `Colours: ${THEMES[theme][1]}`);
  byId("theme").title = `Colours: ${THEMES[theme][1]}`;
}
const theme = remembered.get();
setTheme(THEMES[theme] ? theme : "system");
byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES), next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  remembered.set(next);
  setTheme(next);
});

const KEYS = [["/", "search"], ["↑ ↓", "go through the list"], ["Enter", "open"], ["Esc", "back"], ["Arrows in a graph", "go from task to task; with Shift, move the picture"], ["+ − 0 f in a graph", "zoom, show all, full screen"], ["Ctrl and wheel", "zoom a graph"], ["?", "these keys"]];
byId("keys").append(h("h2", {id: "keys-title"}, "Keys"), h("dl", {}, KEYS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))), h("form", {method: "dialog"}, h("button", {}, "Close")));
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("keys").querySelector("button").addEventListener("click", (event) => { event.preventDefault(); byId("keys").close(); });
byId("filter").addEventListener("click", () => openFilters(!document.body.classList.contains("filters-open")));
byId("search").addEventListener("input", (event) => go({q: event.target.value, ...(state.view === "problems" ? {view: "jobs"} : {})}, {isTyping: true}));

function onEscape(field) {
  const large = document.querySelector(".graph.large .graph-tools button:last-child");
  if (large) large.click();
  else if (document.body.classList.contains("filters-open")) openFilters(false);
  else if (document.activeElement === field && state.q) go({q: ""}, {isTyping: true});
  else if (state.job != null || state.table != null || state.view === "problems") {
    const at = shown.current;
    go({job: null, task: null, table: null, ...(state.view === "problems" ? {view: "jobs"} : {})});
    setTimeout(() => focusRow(Math.max(at, 0)), 0);
  } else field.blur();
}

document.addEventListener("keydown", (event) => {
  const field = byId("search"), active = document.activeElement, isWriting = /^(INPUT|TEXTAREA|SELECT)$/.test(active?.tagName) && active.type !== "checkbox";
  if (byId("keys").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = active?.closest?.("#list") ? Number(active.dataset.at) : -1, page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const steps = {ArrowDown: row + 1, ArrowUp: row - 1, PageDown: row + page, PageUp: Math.max(0, row - page), Home: 0, End: shown.items.length - 1};
  if (event.key === "/" && !isWriting) { field.focus(); field.select(); }
  else if (event.key === "?" && !isWriting) byId("keys").showModal();
  else if (event.key === "Escape") onEscape(field);
  else if (active === field && event.key === "ArrowDown") focusRow(Math.max(0, shown.current));
  else if (active === field && event.key === "Enter" && shown.items.length) location.hash = shown.row(shown.items[0]).getAttribute("href");
  else if (row >= 0 && event.key in steps) focusRow(steps[event.key]);
  else return;
  event.preventDefault();
});

let waiting = false;
list.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; const at = document.activeElement?.closest?.("#list") ? document.activeElement.dataset.at : null; drawList(); if (at != null) list.querySelector(`[data-at="${at}"]`)?.focus({preventScroll: true}); });
});
addEventListener("hashchange", update);
addEventListener("resize", () => { drawList(); graph?.fit(); });
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("#main details")) { each.fill?.(); each.open = true; } });
matchMedia("print").addEventListener("change", () => graph?.fit(true));
update();
// For whoever looks at the page in a console.
window.catalogue = {data, cronInWords, nextRuns, search};
document.documentElement.dataset.ready = "";
