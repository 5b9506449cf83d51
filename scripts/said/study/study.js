"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const main = document.getElementById("main");
  const place = document.getElementById("place"), progress = document.getElementById("progress");
  const KEPT = `talking-heads-${study.digest}`;
  let urls = [], storing = true;

  function make(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties))
      if (name in made && name !== "list") made[name] = value; else made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // ------------------------------------------------------------------ what is kept between visits
  function read() {
    try {
      const session = JSON.parse(localStorage.getItem(KEPT));
      return session && Array.isArray(session.ratings) && /^[a-z0-9]{8}$/.test(session.code) ? session : null;
    } catch { return null; }
  }
  function keep() {
    try { localStorage.setItem(KEPT, JSON.stringify(session)); } catch { storing = false; }
  }
  function forget() {
    try { localStorage.removeItem(KEPT); } catch { storing = false; }
    session = null;
  }
  let session = read();
  window.addEventListener("beforeunload", (event) => { if (!storing && session && !session.saved) event.preventDefault(); });

  function chance(count, letters) {
    return Array.from(crypto.getRandomValues(new Uint32Array(count)), (value) => letters[value % letters.length]).join("");
  }
  function begin(number) {
    const given = Number.isInteger(number) && number >= 0;
    session = { code: chance(8, "abcdefghijklmnopqrstuvwxyz234567"), ratings: [], at: 0,
      number: given ? number : Number(chance(4, "0123456789")) };
    keep();
  }

  // ------------------------------------------------------------------ screens
  function release() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
  }
  function show(title, ...children) {
    const heading = make("h1", { tabIndex: -1 }, title);
    main.replaceChildren(heading, ...children);
    heading.focus();
    scrollTo(0, 0);
  }

  function welcome() {
    place.textContent = "";
    progress.hidden = true;
    const asked = new URLSearchParams(location.search).get("participant");
    const number = make("input", { type: "number", min: 0, step: 1, id: "number", value: /^\d{1,6}$/.test(asked || "") ? asked : "" });
    const agree = make("input", { type: "checkbox", id: "agree" });
    const start = make("button", { className: "main", id: "start", disabled: study.consent.length > 0 }, "Start");
    agree.onchange = () => { start.disabled = !agree.checked; };
    start.onclick = () => { begin(number.value === "" ? NaN : Math.floor(Number(number.value))); next(); };
    const parts = [];
    if (study.audios.length)
      parts.push(make("p", {}, `You will be shown ${study.audios.length} × ${study.audios[0].length} videos of talking heads, one at a time: ` +
        `${study.audios.length} recordings of speech, each spoken by ${study.audios[0].length} heads. Please rate each video after you have seen it.`));
    if (study.groups.length)
      parts.push(make("p", {}, `${study.audios.length ? "After that, you" : "You"} will be shown ${study.groups.length} times several heads side by side.`));
    show(study.title, ...parts,
      make("p", {}, "Please use headphones or a quiet place. Your answers stay on this device until you save them; you can close the page and continue later."),
      ...study.consent.map((text) => make("p", {}, text)),
      make("p", {}, make("label", { htmlFor: "number" }, "Participant number, if you were given one: "), number),
      ...(study.consent.length ? [make("p", {}, make("label", { className: "agree" }, agree, "I have read this and agree to take part."))] : []),
      make("div", { className: "row" }, start));
  }

  function film(name, label) {
    const shown = make("video", { playsInline: true, preload: "auto", disablePictureInPicture: true, "aria-label": label });
    const fault = make("p", { className: "fault", role: "alert" });
    shown.onerror = () => { fault.textContent = "This video cannot be played here. Please open the page in another browser, such as Firefox, Chrome or Safari."; };
    if (study.folder) shown.src = `${study.folder}/${name}.mp4`;
    else {
      const bytes = Uint8Array.from(atob(document.getElementById(`film-${name}`).textContent), (letter) => letter.charCodeAt(0));
      urls.push(URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })));
      shown.src = urls[urls.length - 1];
    }
    return [shown, fault];
  }

  // The films of a screen, what plays them, and what is called when all were seen to their ends.
  function films(screen, seen) {
    const names = study.films[screen.item], several = names.length > 1;
    const made = names.map((name, index) => film(name, several ? `Audio ${index + 1} of ${names.length}` : `Head ${screen.position}`));
    const videos = made.map(([video]) => video), ended = new Set();
    const button = make("button", { className: "main", id: "play" }, several ? "Play all" : "Play");
    button.onclick = () => videos.forEach((video) => { video.currentTime = 0; video.play().catch(() => {}); });
    videos.forEach((video) => {
      video.addEventListener("ended", () => { ended.add(video); if (ended.size === videos.length) { button.textContent = several ? "Play all again" : "Play again"; seen(); } });
    });
    if (!several) {
      videos[0].controls = true;
      return [make("div", { className: "one" }, ...made[0]), make("div", { className: "row" }, button)];
    }
    const hear = (chosen) => videos.forEach((video, index) => { video.muted = index !== chosen; });
    const choices = names.map((_, index) => {
      const choice = make("input", { type: "radio", name: "sound", checked: index === 0 });
      choice.onchange = () => hear(index);
      return make("label", {}, choice, `Audio ${index + 1}`);
    });
    hear(0);
    return [
      make("div", { className: "five" }, ...made.map(([video, fault], index) => make("figure", {}, video, make("figcaption", {}, `Audio ${index + 1}`), fault))),
      make("fieldset", {}, make("legend", {}, "Which one do you hear?"), make("div", { className: "sound" }, ...choices)),
      make("div", { className: "row" }, button),
    ];
  }

  function next() {
    release();
    const screens = orders.screens(study, session.number, session.code);
    if (session.at >= screens.length) return finish(screens.length);
    const screen = screens[session.at], begun = performance.now(), given = {};
    const heads = screens.filter((other) => other.part === screen.part);
    const size = screen.part === 1 ? study.audios[0].length : heads.length;
    const audio = Math.floor(heads.indexOf(screen) / size) + 1;
    progress.hidden = false;
    progress.max = screens.length;
    progress.value = session.at;
    place.textContent = screen.part === 1
      ? `Part 1: audio ${audio} of ${study.audios.length}, head ${screen.position} of ${size}`
      : `Part 2: ${screen.position} of ${size}`;
    let seen = false;
    const hint = make("p", { className: "hint", role: "status" });
    const forward = make("button", { className: "main", id: "next", disabled: true }, "Next");
    const questions = study.questions.filter((question) => question.part === screen.part);
    function update() {
      const open = questions.filter((question) => !given[question.name]);
      forward.disabled = !seen || open.length > 0;
      hint.textContent = !seen ? "Please watch to the end first." : open.length ? `Still to rate: ${open.map((question) => question.title).join(", ")}.` : "";
    }
    const scales = questions.map((question) => make("fieldset", {},
      make("legend", {}, question.title), make("p", { id: `text-${question.name}` }, question.text),
      make("div", { className: "scale" }, ...question.labels.map((label, index) => {
        const choice = make("input", { type: "radio", name: question.name, value: index + 1, "aria-describedby": `text-${question.name}` });
        choice.onchange = () => { given[question.name] = [index + 1, Math.round((performance.now() - begun) / 100) / 10]; update(); };
        return make("label", {}, choice, make("b", {}, String(index + 1)), make("span", {}, label));
      }))));
    forward.onclick = () => {
      for (const question of questions) {
        const [rating, seconds] = given[question.name];
        session.ratings.push({ screen: session.at + 1, ...screen, question: question.name, rating, seconds });
      }
      session.at += 1;
      keep();
      next();
    };
    const stop = make("button", { className: "quiet", id: "stop" }, "Stop here");
    stop.onclick = () => finish(screens.length);
    show(screen.part === 1 ? `Head ${screen.position} of ${size}` : "How diverse are the head movements?",
      make("div", screen.part === 1 ? { className: "rate" } : {},
        make("div", {}, ...films(screen, () => { seen = true; update(); })),
        make("div", {}, ...scales, hint, make("div", { className: "row" }, forward, stop))));
    update();
  }

  // ------------------------------------------------------------------ answers
  function save(kind) {
    const text = orders[kind](study, session);
    const url = URL.createObjectURL(new Blob([text], { type: kind === "json" ? "application/json" : "text/csv" }));
    make("a", { href: url, download: `answers-${session.code}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    session.saved = true;
    keep();
  }

  async function send(told) {
    told.textContent = "Sending…";
    try {
      const answer = await fetch(study.post, { method: "POST", headers: { "Content-Type": "application/json" }, body: orders.json(study, session) });
      if (!answer.ok) throw new Error(`the server said ${answer.status}`);
      session.saved = true;
      keep();
      told.textContent = "Sent. Thank you!";
    } catch (error) {
      told.textContent = `It could not be sent (${error.message}). Please save the answers and send the file instead.`;
    }
  }

  function finish(count) {
    release();
    const whole = session.at >= count, told = make("p", { className: "hint", role: "status" });
    progress.value = session.at;
    place.textContent = whole ? "All done" : `${session.at} of ${count} rated`;
    const button = (id, text, act, look = "") => { const made = make("button", { id, className: look }, text); made.onclick = act; return made; };
    const buttons = [
      button("json", "Save answers (JSON)", () => { save("json"); told.textContent = `Saved as answers-${session.code}.json.`; }, study.post ? "" : "main"),
      button("csv", "Save as CSV", () => { save("csv"); told.textContent = `Saved as answers-${session.code}.csv.`; }),
    ];
    if (study.post) buttons.unshift(button("send", "Send answers", () => send(told), "main"));
    if (!whole) buttons.push(button("continue", "Continue", next));
    buttons.push(button("forget", "Erase from this device", () => { forget(); welcome(); }, "quiet"));
    show(whole ? "Thank you!" : "Stopped",
      make("p", {}, `${whole ? "You have rated everything." : "You have not rated everything; what you rated can be saved all the same."} ` +
        `Please save your answers and send the file to whoever invited you. Your participant code is ${session.code}; nothing else about you is in it.`),
      ...(storing ? [] : [make("p", { className: "fault" }, "This browser keeps nothing: save before you close the page.")]),
      make("div", { className: "row" }, ...buttons), told);
  }

  // For tests: the state, without a way to change it.
  window.studyState = () => ({ study, session, screens: session ? orders.screens(study, session.number, session.code) : [] });
  if (session) next(); else welcome();
})();
