// Tells the visitor's own time beside that of an event where their clocks differ, and has a form
// for which nobody has chosen a time zone yet begin with theirs.
"use strict";

const { told } = document.currentScript.dataset;
const { lang } = document.documentElement;
// Ours is not America's English.
const language = lang === "en" ? "en-GB" : lang;
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const onTheDay = new Intl.DateTimeFormat(language, clock);
const onAnotherDay = new Intl.DateTimeFormat(language, {
  weekday: "short",
  day: "numeric",
  month: "long",
  ...clock,
});

// Minutes ahead of UTC on the clocks of the event, from an ISO time such as 2027-05-03T19:30+02:00.
function minutesAhead(text) {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(text) ?? [, "+", 0, 0];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function dayOf(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function tell(moment) {
  const times = [...moment.querySelectorAll("time")].map((time) => time.dateTime);
  const dates = times.map((text) => new Date(text));
  if (dates.every((date, i) => -date.getTimezoneOffset() === minutesAhead(times[i]))) return;
  const sameDay = dates.every((date, i) => times[i].startsWith(dayOf(date)));
  const format = sameDay ? onTheDay : onAnotherDay;
  const words = dates.length > 1 ? format.formatRange(...dates) : format.format(dates[0]);
  const note = document.createElement("span");
  note.className = "your-time";
  note.textContent = told.replace("{}", words);
  moment.append(" ", note);
}

function tellAll() {
  for (const moment of document.querySelectorAll(".moment:not(:has(.your-time))")) tell(moment);
}

function chooseOwnZone() {
  const select = document.querySelector("select[data-own-zone]");
  if (!select) return;
  delete select.dataset.ownZone;
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const own = [...select.options].find((option) => option.value === timeZone);
  if (!own) return;
  own.selected = true;
  tellClocks(select);
  select.closest("details").open = false;
}

// Which clocks the times of a form are told by: Berlin, UTC+1, as it is on the date of the form.
function tellClocks(select) {
  const { value: timeZone, selectedOptions, form } = select;
  const day = new Date(`${form.elements.startsAt.value || dayOf(new Date())}T12:00Z`);
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "shortOffset" });
  const offset = format.formatToParts(day).find(({ type }) => type === "timeZoneName").value;
  const told = offset.replace("GMT", "UTC").replace("-", "\u2212").replace(/C$/, "C+0");
  document.getElementById(select.dataset.clocks).textContent =
    timeZone === "UTC" ? "UTC" : `${selectedOptions[0].textContent}, ${told}`;
}

document.addEventListener("change", ({ target }) => {
  const select = target.form?.querySelector("select[data-clocks]");
  if (select) tellClocks(select);
});

function lookAround() {
  tellAll();
  chooseOwnZone();
}

lookAround();
// Parts of the page come anew.
new MutationObserver(lookAround).observe(document.body, { childList: true, subtree: true });
