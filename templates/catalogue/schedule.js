// Quartz cron expressions in words, and the moments at which they start next. Pure: no page, and "now" is given.
// The syntax: https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const NTH = ["", "first", "second", "third", "fourth", "fifth"];
const DAY_MS = 86400000;
const numberOf = (text, names, base) => {
  const at = names.findIndex((name) => name.slice(0, 3).toUpperCase() === text.toUpperCase());
  return at >= 0 ? at + base : /^\d+$/.test(text) ? Number(text) : NaN;
};

// The numbers that a field means, or null for all of them; throws for what it cannot read.
function numbersIn(field, low, high, names = [], base = 0) {
  if (field === "*" || field === "?") return null;
  const found = new Set();
  for (const part of field.split(",")) {
    const [range, step] = part.split("/");
    const by = step === undefined ? 1 : Number(step);
    const ends = range === "*" ? [low, high] : range.split("-").map((each) => numberOf(each, names, base));
    const first = ends[0], last = ends.length > 1 ? ends[1] : step === undefined ? first : high;
    if (!(by > 0) || !(first >= low) || !(first <= high) || !(last >= low) || !(last <= high) || ends.length > 2) throw new Error(field);
    // A range may go over the end: FRI-MON.
    for (let n = first; n <= (last < first ? last + high - low + 1 : last); n += by) found.add(n > high ? n - (high - low + 1) : n);
  }
  return [...found].sort((a, b) => a - b);
}

function parseCron(text) {
  const fields = text.trim().split(/\s+/);
  if (fields.length < 6 || fields.length > 7) return null;
  const [second, minute, hour, date, month, day, year = "*"] = fields.map((each) => each.toUpperCase());
  try {
    return {
      fields: {second, minute, hour, date, month, day, year},
      seconds: numbersIn(second, 0, 59), minutes: numbersIn(minute, 0, 59), hours: numbersIn(hour, 0, 23),
      months: numbersIn(month, 1, 12, MONTHS, 1), years: numbersIn(year, 1970, 2199),
      dates: dateRule(date), days: dayRule(day),
    };
  } catch {
    return null;
  }
}

// Rules of days are functions of (date, days in the month, day of the week of the first), or null where any day will do.
function dateRule(field) {
  const weekday = (date, first) => (first + date - 1) % 7;
  const nearest = (wanted, length, first) => {
    const on = weekday(wanted, first);
    if (on === 6) return wanted > 1 ? wanted - 1 : wanted + 2;
    if (on === 0) return wanted < length ? wanted + 1 : wanted - 2;
    return wanted;
  };
  let found;
  if (field === "L") return (date, length) => date === length;
  if (field === "LW") return (date, length, first) => date === nearest(length, length, first);
  if ((found = /^L-(\d+)$/.exec(field))) return (date, length) => date === length - found[1];
  if ((found = /^(\d+)W$/.exec(field))) return (date, length, first) => found[1] <= length && date === nearest(Number(found[1]), length, first);
  const numbers = numbersIn(field, 1, 31);
  return numbers && ((date) => numbers.includes(date));
}

function dayRule(field) {
  const weekday = (date, first) => ((first + date - 1) % 7) + 1;
  let found;
  if ((found = /^(\w+)#([1-5])$/.exec(field))) {
    const wanted = checked(numberOf(found[1], DAYS, 1), field);
    return (date, length, first) => weekday(date, first) === wanted && Math.ceil(date / 7) === Number(found[2]);
  }
  if ((found = /^(\w+)L$/.exec(field))) {
    const wanted = checked(numberOf(found[1], DAYS, 1), field);
    return (date, length, first) => weekday(date, first) === wanted && date > length - 7;
  }
  const numbers = field === "L" ? [7] : numbersIn(field, 1, 7, DAYS, 1);
  return numbers && ((date, length, first) => numbers.includes(weekday(date, first)));
}

function checked(number, field) {
  if (!(number >= 1 && number <= 7)) throw new Error(field);
  return number;
}

const two = (n) => String(n).padStart(2, "0");
const all = (words, last = "and") => words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]}`;
const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th"}`;
const often = (n, what) => n === 1 ? `every ${what}` : `every ${n} ${what}s`;

function cronInWords(text) {
  const cron = parseCron(text);
  if (!cron) return null;
  return [timeInWords(cron), dayInWords(cron), ...monthInWords(cron)].filter(Boolean).join(" ");
}

function timeInWords({fields, seconds, minutes, hours}) {
  const step = (field) => /^(?:\*|0)\/(\d+)$/.exec(field)?.[1];
  const sharp = seconds && seconds.length === 1;
  const tail = sharp && seconds[0] ? ` and ${seconds[0]} s` : "";
  const span = hours ? hoursInWords(fields.hour, hours, step(fields.hour)) : "";
  if (!sharp) return `${step(fields.second) ? often(Number(step(fields.second)), "second") : "every second"}${minutes ? ` of the minutes ${all(minutes.map(String))}` : ""}${span}`;
  if (!minutes) return `every minute${tail}${span}`;
  if (step(fields.minute) && minutes.length > 1) return `${often(Number(step(fields.minute)), "minute")}${tail}${span}`;
  if (hours && hours.length * minutes.length <= 6) return `at ${all(hours.flatMap((h) => minutes.map((m) => `${two(h)}:${two(m)}${seconds[0] ? `:${two(seconds[0])}` : ""}`)))}`;
  const past = minutes.length === 1 && minutes[0] === 0 ? "" : ` at ${all(minutes.map((m) => `:${two(m)}`))}`;
  if (!hours) return `every hour${past}${tail}`;
  return `${step(fields.hour) ? often(Number(step(fields.hour)), "hour") : `every hour${span}`}${past}${tail}`;
}

function hoursInWords(field, hours, step) {
  if (step) return ` of ${often(Number(step), "hour")}`;
  const range = /^(\d+)-(\d+)$/.exec(field);
  return range ? ` from ${two(range[1])}:00 to ${two(range[2])}:59` : ` in the hours ${all(hours.map((h) => two(h)))}`;
}

function dayInWords({fields: {date, day}}) {
  let found;
  if (date !== "*" && date !== "?") {
    if (date === "L") return "on the last day of the month";
    if (date === "LW") return "on the last weekday of the month";
    if ((found = /^L-(\d+)$/.exec(date))) return `${found[1]} ${found[1] === "1" ? "day" : "days"} before the last of the month`;
    if ((found = /^(\d+)W$/.exec(date))) return `on the weekday nearest the ${ordinal(Number(found[1]))}`;
    if ((found = /^(?:\*|1)\/(\d+)$/.exec(date))) return `${often(Number(found[1]), "day")} from the 1st of the month`;
    return `on the ${all(numbersIn(date, 1, 31).map(ordinal))} of the month`;
  }
  if (day === "*" || day === "?") return "every day";
  const name = (text) => DAYS[numberOf(text, DAYS, 1) - 1];
  if ((found = /^(\w+)#(\d)$/.exec(day))) return `on the ${NTH[found[2]]} ${name(found[1])} of the month`;
  if ((found = /^(\w+)L$/.exec(day))) return `on the last ${name(found[1])} of the month`;
  const days = day === "L" ? [7] : numbersIn(day, 1, 7, DAYS, 1);
  if (days.join() === "2,3,4,5,6") return "on weekdays";
  if (days.join() === "1,7") return "at weekends";
  return days.length === 7 ? "every day" : `on ${all(days.map((n) => `${DAYS[n - 1]}s`))}`;
}

function monthInWords({months, years}) {
  return [months && months.length < 12 ? `in ${all(months.map((n) => MONTHS[n - 1]))}` : "", years ? `in ${all(years.map(String))}` : ""];
}

const formats = new Map();
function formatOf(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", {timeZone: zone, ...options}));
  return formats.get(key);
}

// What clocks show at a moment, as if it were UTC; so two of these differ by what passes on the clock.
function clockAt(moment, zone) {
  const parts = {};
  const options = {hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric"};
  for (const {type, value} of formatOf(zone, options).formatToParts(moment)) parts[type] = Number(value);
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
}
const offsetAt = (moment, zone) => clockAt(moment, zone) - Math.floor(moment / 1000) * 1000;

// The moment at which clocks show a time, and whether they never do, or twice, since they are put forward or back.
function momentOf(clock, zone) {
  const offsets = [...new Set([offsetAt(clock - DAY_MS, zone), offsetAt(clock + DAY_MS, zone)])];
  const moments = offsets.map((offset) => clock - offset).filter((moment) => clockAt(moment, zone) === clock).sort((a, b) => a - b);
  if (!moments.length) return {moment: clock - offsets[0], note: "skipped"};
  return {moment: moments[0], note: moments.length > 1 ? "twice" : ""};
}

// The next starts: at most `count`, and none behind `until`.
function nextRuns(text, zone, now, count, until = now + 6 * 366 * DAY_MS) {
  const cron = parseCron(text);
  if (!cron) return null;
  const found = [], every = (n) => [...Array(n).keys()];
  const seconds = cron.seconds || every(60), minutes = cron.minutes || every(60), hours = cron.hours || every(24);
  const last = clockAt(until, zone), since = clockAt(now, zone);
  for (let day = Math.floor(since / DAY_MS) * DAY_MS; day <= last; day += DAY_MS) {
    if (!isOn(cron, new Date(day))) continue;
    for (const hour of hours) {
      // Hours that are over are left out before anything is asked of the zone.
      if (day + (hour + 1) * 3600000 < since - 7200000) continue;
      for (const minute of minutes) for (const second of seconds) {
        const run = momentOf(day + ((hour * 60 + minute) * 60 + second) * 1000, zone);
        if (run.moment <= now) continue;
        if (run.moment > until || found.length >= count) return found;
        found.push(run);
      }
    }
  }
  return found;
}

function isOn({months, years, dates, days}, day) {
  const year = day.getUTCFullYear(), month = day.getUTCMonth(), date = day.getUTCDate();
  if (months && !months.includes(month + 1)) return false;
  if (years && !years.includes(year)) return false;
  const length = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const first = new Date(Date.UTC(year, month, 1)).getUTCDay();
  return (!dates || dates(date, length, first)) && (!days || days(date, length, first));
}

// The next time that clocks are changed, within a year: the moment, and by how many minutes.
function nextClockChange(zone, now) {
  let low = now, high = now;
  const before = offsetAt(now, zone);
  while (high < now + 370 * DAY_MS && offsetAt(high, zone) === before) { low = high; high += 7 * DAY_MS; }
  if (offsetAt(high, zone) === before) return null;
  while (high - low > 60000) { const middle = Math.floor((low + high) / 2); if (offsetAt(middle, zone) === before) low = middle; else high = middle; }
  return {moment: Math.round(high / 60000) * 60000, minutes: (offsetAt(high, zone) - before) / 60000};
}

function isZone(zone) {
  try { formatOf(zone, {year: "numeric"}); return true; } catch { return false; }
}

// What starts a job, in words; `starts` is its schedule, trigger and continuous settings.
function startInWords(starts) {
  const {schedule, trigger, continuous} = starts || {};
  if (schedule) return cronInWords(schedule.quartz_cron_expression || "") || `by ${schedule.quartz_cron_expression}`;
  if (continuous) return "always running: a run that ends is followed by the next";
  if (trigger?.file_arrival) return `when files arrive in ${trigger.file_arrival.url}`;
  if (trigger?.table_update || trigger?.table) {
    const {table_names: names = [], condition} = trigger.table_update || trigger.table;
    return `when ${names.length > 1 && condition !== "ALL_UPDATED" ? "any of " : ""}${all([].concat(names))} ${names.length > 1 ? "are" : "is"} updated`;
  }
  if (trigger?.periodic) return `${often(Number(trigger.periodic.interval), String(trigger.periodic.unit || "").toLowerCase().replace(/s$/, ""))}`;
  if (trigger) return `by its trigger: ${all(Object.keys(trigger).filter((key) => key !== "pause_status"))}`;
  return "only when somebody, or another job, starts it";
}
