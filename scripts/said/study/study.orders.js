"use strict";
// Orders, and answers as files: pure functions, which the page and node run. orders.py and answers.py have the same in
// Python, and a test holds one against the other. Texts are ASCII.
const orders = (() => {
  // 32 bits of a text: FNV-1a, then the last step of MurmurHash3.
  function hashed(text) {
    let value = 0x811c9dc5;
    for (let place = 0; place < text.length; place++)
      value = Math.imul(value ^ text.charCodeAt(place), 0x01000193) >>> 0;
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 0;
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  }

  // Fisher and Yates, with the generator mulberry32.
  function shuffled(count, text) {
    const places = Array.from({ length: count }, (_, place) => place);
    let state = hashed(text);
    for (let last = count - 1; last > 0; last--) {
      state = (state + 0x6d2b79f5) >>> 0;
      let value = Math.imul(state ^ (state >>> 15), state | 1);
      value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
      const other = Math.floor((((value ^ (value >>> 14)) >>> 0) / 4294967296) * (last + 1));
      [places[last], places[other]] = [places[other], places[last]];
    }
    return places;
  }

  // Williams 1949: everything stands at each place, and follows each other thing, equally often.
  function williams(count) {
    const first = Array.from({ length: count }, (_, place) =>
      place % 2 ? (place + 1) / 2 : (count - place / 2) % count);
    const rows = first.map((_, shift) => first.map((thing) => (thing + shift) % count));
    return count % 2 ? rows.concat(rows.map((row) => row.slice().reverse())) : rows;
  }

  function permutation(count, order, number, text) {
    if (order === "random") return shuffled(count, text);
    const rows = williams(count);
    return rows.length ? rows[number % rows.length] : [];
  }

  // All screens of a participant: {part, position, item}.
  function screens(study, number, code) {
    const shown = [];
    const { digest, audios, groups, order } = study;
    for (const audio of permutation(audios.length, order, number, `${digest}/${code}/audios`)) {
      const items = audios[audio];
      const stride = Math.max(1, Math.floor(williams(items.length).length / audios.length));
      permutation(items.length, order, number + audio * stride, `${digest}/${code}/${audio}`)
        .forEach((place, index) => shown.push({ part: 1, position: index + 1, item: items[place] }));
    }
    permutation(groups.length, order, number, `${digest}/${code}/groups`)
      .forEach((place, index) => shown.push({ part: 2, position: index + 1, item: groups[place] }));
    return shown;
  }

  const FORMAT = "talking heads answers", VERSION = 1;
  const COLUMNS = ["screen", "part", "position", "item", "question", "rating", "seconds"];

  // What is saved: {participant, number, ratings} and the study they belong to.
  function answers(study, session) {
    return {
      format: FORMAT, version: VERSION, study: study.digest, participant: session.code, number: session.number,
      simulated: false, ratings: session.ratings,
    };
  }

  function json(study, session) {
    const { ratings, ...head } = answers(study, session);
    const lines = ratings.map((rating) => JSON.stringify(Object.fromEntries(COLUMNS.map((key) => [key, rating[key]]))));
    return `${JSON.stringify(head).slice(0, -1)},"ratings":[\n${lines.join(",\n")}\n]}\n`;
  }

  function csv(study, session) {
    const { ratings, ...head } = answers(study, session);
    const lines = [[...Object.keys(head), ...COLUMNS]];
    for (const rating of ratings) lines.push([...Object.values(head), ...COLUMNS.map((key) => rating[key])]);
    return lines.map((line) => line.join(",") + "\n").join("");
  }

  return { hashed, shuffled, williams, screens, answers, json, csv };
})();
if (typeof module !== "undefined") module.exports = orders;
